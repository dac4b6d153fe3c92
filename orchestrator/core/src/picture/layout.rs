//! Where everything of a picture stands: boxes in columns, arrows in the gaps between them and past
//! the boxes, never through one.

use super::{
    Edge, Picture,
    order::{Item, Order},
    text,
};

/// The width of a character of each text, in thousandths of a pixel; fonts differ, so on the safe
/// side.
const NAME_CHARACTER: usize = 9_000;
const SMALL_CHARACTER: usize = 7_300;
/// Space beside a text within its box, both sides together.
const PADDING: i32 = 32;
/// The narrowest box: short names would make a restless picture.
const WIDTH_MIN: i32 = 132;
/// The height of a line of text.
pub(super) const LINE: i32 = 19;
/// The part of a box that tells of the way back.
pub(super) const LOWER: i32 = 30;
/// Space above and below the lines of the upper part.
const UPPER_PADDING: i32 = 18;
/// What an arrow that passes takes of its column.
const PASSING: i32 = 26;
/// Half the distance between the two directions of an arrow that passes.
const LANE: i32 = 6;
/// Space between what stands in one column.
const ROW_GAP: i32 = 30;
/// Space between columns, and what each arrow adds to it, up to a limit.
const COLUMN_GAP: i32 = 60;
const COLUMN_GAP_PER_ARROW: i32 = 8;
const COLUMN_GAP_MAX: i32 = 130;
/// Space behind the pivot: it has a line and a word.
const PIVOT_GAP: i32 = 96;
/// Space around all.
pub(super) const MARGIN: i32 = 28;
/// Space for the title above the boxes, and for what is said of the pivot.
const HEAD: i32 = 34;
pub(super) const PIVOT_HEAD: i32 = 30;
/// Space for the legend below.
const FOOT: i32 = 44;
/// Times that every item moves towards what it is joined to.
const SETTLING: usize = 12;

/// Where a box stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

/// A picture with places.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) width: i32,
    pub(super) height: i32,
    /// Of each step.
    pub(super) frames: Vec<Frame>,
    /// Of each edge forward, then of each backward.
    pub(super) forward: Vec<String>,
    pub(super) backward: Vec<String>,
    /// Where the line behind the pivot is.
    pub(super) no_way_back: Option<i32>,
    /// How far the boxes reach down.
    pub(super) bottom: i32,
}

/// A column.
#[derive(Clone, Copy)]
struct Column {
    x: i32,
    width: i32,
}

/// Everything's place, before arrows are drawn.
struct Places<'p> {
    picture: &'p Picture,
    order: Order,
    columns: Vec<Column>,
    column_of: Vec<usize>,
    /// The top of each item.
    tops: Vec<i32>,
    box_height: i32,
}

/// What a step says above its lower part, line by line, after its name.
pub(super) fn lines(picture: &Picture, step: usize) -> Vec<String> {
    let node = &picture.nodes[step];
    let mut lines = vec![text::line(&node.action)];
    lines.extend(node.condition.as_ref().map(|when| text::line(&format!("when {when}"))));
    lines.extend(node.query.as_ref().map(|query| text::line(&format!("asks {query}"))));
    lines
}

impl Layout {
    /// Finds a place for everything.
    pub(super) fn of(picture: &Picture) -> Self {
        let order = Order::of(picture.nodes.len(), &picture.forward);
        let lines = (0..picture.nodes.len()).map(|step| lines(picture, step).len() + 1).max();
        let box_height = UPPER_PADDING + LINE * small(lines.unwrap_or(0)) + LOWER;
        let (columns, no_way_back) = place_columns(picture, &order);
        let mut column_of = vec![0; order.items.len()];
        for (column, items) in order.columns.iter().enumerate() {
            items.iter().for_each(|&item| column_of[item] = column);
        }
        let tops = place_rows(&order, box_height);
        let head = MARGIN + HEAD + if no_way_back.is_some() { PIVOT_HEAD } else { 0 };
        let top = tops.iter().min().copied().unwrap_or(0);
        let tops: Vec<_> = tops.into_iter().map(|y| y - top + head).collect();
        let places = Places { picture, order, columns, column_of, tops, box_height };
        places.finish(no_way_back)
    }
}

impl Places<'_> {
    fn finish(&self, no_way_back: Option<i32>) -> Layout {
        let frame = |step: usize| {
            let Column { x, width } = self.columns[self.column_of[step]];
            Frame { x, y: self.tops[step], width, height: self.box_height }
        };
        let frames: Vec<_> = (0..self.picture.nodes.len()).map(frame).collect();
        let reach = |item: usize| self.tops[item] + height(&self.order, item, self.box_height);
        let bottom = (0..self.tops.len()).map(reach).max().unwrap_or(0);
        let right = frames.iter().map(|frame| frame.x + frame.width).max().unwrap_or(0);
        let right = right.max(no_way_back.unwrap_or(0));
        let routes = || self.picture.forward.iter().zip(&self.order.routes);
        let forward = routes().map(|(_, route)| self.path(route, false)).collect();
        let back = |edge: &Edge| {
            let way = Edge { from: edge.to, to: edge.from };
            let found = routes().find(|(forward, _)| **forward == way);
            found.map(|(_, route)| self.path(route, true))
        };
        let backward = self.picture.backward.iter().filter_map(back).collect();
        let title = small(self.picture.name.len() * NAME_CHARACTER / 1_000);
        Layout {
            width: (right + MARGIN).max(title + 2 * MARGIN).max(WIDTH_MIN * 3),
            height: bottom + FOOT + MARGIN / 2,
            frames,
            forward,
            backward,
            no_way_back,
            bottom,
        }
    }

    /// The line of an arrow through its items; backward it begins at the last.
    fn path(&self, route: &[usize], is_back: bool) -> String {
        let mut path = String::new();
        let ends: Vec<_> = route.iter().map(|&item| self.ends(item, is_back)).collect();
        let ends: Vec<_> = match is_back {
            false => ends,
            true => ends.into_iter().rev().map(|(left, right)| (right, left)).collect(),
        };
        for (index, pair) in ends.windows(2).enumerate() {
            let ((passed, from), (to, _)) = (pair[0], pair[1]);
            match index {
                0 => path.push_str(&format!("M{} {}", from.0, from.1)),
                _ if passed.0 != from.0 => path.push_str(&format!(" H{}", from.0)),
                _ => {}
            }
            if from.1 == to.1 {
                path.push_str(&format!(" H{}", to.0));
            } else {
                let middle = i32::midpoint(from.0, to.0);
                path.push_str(&format!(
                    " C{middle} {} {middle} {} {} {}",
                    from.1, to.1, to.0, to.1
                ));
            }
        }
        path
    }

    /// Where arrows of a direction touch an item, on its left and on its right.
    fn ends(&self, item: usize, is_back: bool) -> ((i32, i32), (i32, i32)) {
        let Column { x, width } = self.columns[self.column_of[item]];
        let top = self.tops[item];
        let y = match (self.order.items[item], is_back) {
            (Item::Step(_), false) => top + (self.box_height - LOWER) / 2,
            (Item::Step(_), true) => top + self.box_height - LOWER / 2,
            (Item::Passing(_), false) => top + PASSING / 2 - LANE,
            (Item::Passing(_), true) => top + PASSING / 2 + LANE,
        };
        ((x, y), (x + width, y))
    }
}

/// Columns from left to right, and the line behind the pivot.
fn place_columns(picture: &Picture, order: &Order) -> (Vec<Column>, Option<i32>) {
    let mut columns = Vec::new();
    let mut no_way_back = None;
    let mut x = MARGIN;
    for (index, items) in order.columns.iter().enumerate() {
        let steps = items.iter().filter_map(|&item| match order.items[item] {
            Item::Step(step) => Some(step),
            Item::Passing(_) => None,
        });
        let width = steps.clone().map(|step| box_width(picture, step)).max().unwrap_or(WIDTH_MIN);
        columns.push(Column { x, width });
        x += width;
        let is_last = index + 1 == order.columns.len();
        let arrows: usize = items.iter().map(|&item| order.after(item).len()).sum();
        let gap = (COLUMN_GAP + COLUMN_GAP_PER_ARROW * small(arrows)).min(COLUMN_GAP_MAX);
        if steps.clone().any(|step| picture.pivot == Some(step)) {
            let gap = gap.max(PIVOT_GAP);
            no_way_back = Some(x + gap / 2);
            x += gap;
        } else if !is_last {
            x += gap;
        }
    }
    (columns, no_way_back)
}

fn box_width(picture: &Picture, step: usize) -> i32 {
    let node = &picture.nodes[step];
    let name = text::line(&node.name).chars().count() * NAME_CHARACTER;
    let lines = lines(picture, step).into_iter().chain([text::line(&node.way_back())]);
    let longest = lines.map(|line| line.chars().count() * SMALL_CHARACTER).max().unwrap_or(0);
    (small(name.max(longest) / 1_000) + PADDING).max(WIDTH_MIN)
}

/// The top of each item: first every column around the same middle, then each item towards what it
/// is joined to, as far as the others of its column let it.
fn place_rows(order: &Order, box_height: i32) -> Vec<i32> {
    let mut middles = vec![0; order.items.len()];
    for items in &order.columns {
        let wanted = vec![0; items.len()];
        settle(order, items, &wanted, box_height, &mut middles);
    }
    for round in 0..SETTLING {
        for index in 0..order.columns.len() {
            let is_forward = round % 2 == 0;
            let index = if is_forward { index } else { order.columns.len() - 1 - index };
            let items = &order.columns[index];
            let wanted = items.iter().map(|&item| {
                let joined = if is_forward { order.before(item) } else { order.after(item) };
                let sum: i32 = joined.iter().map(|&other| middles[other]).sum();
                sum.checked_div(small(joined.len())).unwrap_or(middles[item])
            });
            let wanted: Vec<_> = wanted.collect();
            settle(order, items, &wanted, box_height, &mut middles);
        }
    }
    let tops = middles.iter().enumerate();
    tops.map(|(item, middle)| middle - height(order, item, box_height) / 2).collect()
}

/// Puts the items of a column as near as possible to where they should be, in their order: half
/// way between pushing all down and pushing all up.
fn settle(order: &Order, items: &[usize], wanted: &[i32], box_height: i32, middles: &mut [i32]) {
    let half = |item: usize| height(order, item, box_height) / 2;
    let apart = |upper: usize, lower: usize| half(upper) + ROW_GAP + half(lower);
    let mut down = wanted.to_vec();
    for at in 1..items.len() {
        down[at] = down[at].max(down[at - 1] + apart(items[at - 1], items[at]));
    }
    let mut up = wanted.to_vec();
    for at in (1..items.len()).rev() {
        up[at - 1] = up[at - 1].min(up[at] - apart(items[at - 1], items[at]));
    }
    for (at, &item) in items.iter().enumerate() {
        middles[item] = i32::midpoint(down[at], up[at]);
    }
}

fn height(order: &Order, item: usize, box_height: i32) -> i32 {
    match order.items[item] {
        Item::Step(_) => box_height,
        Item::Passing(_) => PASSING,
    }
}

/// A count or a width within a picture: there are few steps, and texts are cut.
fn small(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX / 4)
}

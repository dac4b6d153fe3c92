//! The order of a layered drawing: which column each step stands in, and which place in it, so that
//! few arrows cross. An arrow over several columns has a place in each that it passes.

use super::Edge;

/// Times that all columns are put in order, one way and back; more change nothing in practice.
const SWEEPS: usize = 8;

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// A step, by position.
    Step(usize),
    /// An arrow that passes, by position of its edge.
    Passing(usize),
}

/// Steps and passing arrows in columns, and how each edge goes through them.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) items: Vec<Item>,
    /// The items of each column, from the top.
    pub(super) columns: Vec<Vec<usize>>,
    /// Of each edge: every item from its first to its last, one per column.
    pub(super) routes: Vec<Vec<usize>>,
}

impl Order {
    /// Finds one.
    pub(super) fn of(steps: usize, edges: &[Edge]) -> Self {
        let column_of = columns(steps, edges);
        let count = column_of.iter().max().map_or(0, |last| last + 1);
        let mut order = Self {
            items: (0..steps).map(Item::Step).collect(),
            columns: vec![Vec::new(); count],
            routes: Vec::new(),
        };
        for (step, &column) in column_of.iter().enumerate() {
            order.columns[column].push(step);
        }
        for (index, edge) in edges.iter().enumerate() {
            let mut route = vec![edge.from];
            for column in column_of[edge.from] + 1..column_of[edge.to] {
                order.columns[column].push(order.items.len());
                route.push(order.items.len());
                order.items.push(Item::Passing(index));
            }
            route.push(edge.to);
            order.routes.push(route);
        }
        order.sort();
        order
    }

    /// What an item is joined to in the column before.
    pub(super) fn before(&self, item: usize) -> Vec<usize> {
        self.joined().filter(|(_, right)| *right == item).map(|(left, _)| left).collect()
    }

    /// What an item is joined to in the column after.
    pub(super) fn after(&self, item: usize) -> Vec<usize> {
        self.joined().filter(|(left, _)| *left == item).map(|(_, right)| right).collect()
    }

    fn joined(&self) -> impl Iterator<Item = (usize, usize)> {
        self.routes.iter().flat_map(|route| route.windows(2).map(|pair| (pair[0], pair[1])))
    }

    /// Sorts each column by where its items are joined to, and keeps the best that was seen.
    fn sort(&mut self) {
        let mut best = (self.crossings(), self.columns.clone());
        for sweep in 0..SWEEPS {
            let is_forward = sweep % 2 == 0;
            for step in 1..self.columns.len() {
                let (column, beside) = if is_forward {
                    (step, step - 1)
                } else {
                    (self.columns.len() - 1 - step, self.columns.len() - step)
                };
                self.sort_column(column, beside, is_forward);
            }
            let crossings = self.crossings();
            if crossings < best.0 {
                best = (crossings, self.columns.clone());
            }
        }
        self.columns = best.1;
    }

    fn sort_column(&mut self, column: usize, beside: usize, is_forward: bool) {
        let places = self.places(beside);
        let items = self.columns[column].iter().enumerate();
        let mut keyed: Vec<_> = items
            .map(|(place, &item)| {
                let joined = if is_forward { self.before(item) } else { self.after(item) };
                let count = joined.len();
                let sum: usize = joined.iter().map(|&other| places[other]).sum();
                // In thousandths, so that no rounding differs between machines.
                let mean = (sum * 1_000).checked_div(count).unwrap_or(place * 1_000);
                (mean, item)
            })
            .collect();
        keyed.sort_by_key(|(mean, _)| *mean);
        self.columns[column] = keyed.into_iter().map(|(_, item)| item).collect();
    }

    /// The place of each item of a column; 0 for all others.
    fn places(&self, column: usize) -> Vec<usize> {
        let mut places = vec![0; self.items.len()];
        for (place, &item) in self.columns[column].iter().enumerate() {
            places[item] = place;
        }
        places
    }

    fn crossings(&self) -> usize {
        let joined: Vec<_> = self.joined().collect();
        let mut column_of = vec![0; self.items.len()];
        let mut place = vec![0; self.items.len()];
        for (column, items) in self.columns.iter().enumerate() {
            for (at, &item) in items.iter().enumerate() {
                (column_of[item], place[item]) = (column, at);
            }
        }
        let crosses = |one: &(usize, usize), other: &(usize, usize)| {
            column_of[one.0] == column_of[other.0]
                && place[one.0] < place[other.0]
                && place[one.1] > place[other.1]
        };
        joined.iter().map(|one| joined.iter().filter(|other| crosses(one, other)).count()).sum()
    }
}

/// The column of each step: as far from the beginning as the longest way to it.
fn columns(steps: usize, edges: &[Edge]) -> Vec<usize> {
    let mut columns = vec![0; steps];
    // A way has fewer edges than there are steps.
    for _ in 0..steps {
        for edge in edges {
            columns[edge.to] = columns[edge.to].max(columns[edge.from] + 1);
        }
    }
    columns
}

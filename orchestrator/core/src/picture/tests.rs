//! What holds of every layout: boxes stand apart and within the image, and no arrow goes through
//! one.

use saga_protocol::StepKind;

use super::{
    Edge, Node, Picture,
    layout::{Frame, Layout},
};

/// Pictures that are tried.
const PICTURES: u32 = 300;

/// Numbers that look random, the same each time.
struct Numbers(u32);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % limit
    }
}

fn picture(numbers: &mut Numbers) -> Picture {
    let count = 1 + numbers.below(14);
    let node = |step: usize| Node {
        name: "a".repeat(1 + step * 7 % 63),
        action: "participant.action".to_owned(),
        compensation: Some("participant.undo".to_owned()),
        kind: StepKind::Compensatable,
        condition: step.is_multiple_of(3).then(|| "input.total > 0".to_owned()),
        query: None,
    };
    let mut forward = Vec::new();
    for to in 1..count {
        let needs = (0..to).filter(|_| numbers.below(to) < 2);
        forward.extend(needs.map(|from| Edge { from, to }));
    }
    let backward = forward.iter().map(|edge| Edge { from: edge.to, to: edge.from }).collect();
    Picture {
        name: "random".to_owned(),
        description: None,
        nodes: (0..count).map(node).collect(),
        forward,
        backward,
        pivot: None,
    }
}

/// The straight and the curved pieces of a path, by their ends.
fn pieces(path: &str) -> Vec<[i32; 4]> {
    let mut at = (0, 0);
    let mut pieces = Vec::new();
    for piece in path.replace(" C", ";C").replace(" H", ";H").split(';') {
        let (command, numbers) = piece.split_at(1);
        let numbers: Vec<i32> = numbers.split(' ').map(|number| number.parse().unwrap()).collect();
        let to = match command {
            "H" => (numbers[0], at.1),
            _ => (numbers[numbers.len() - 2], numbers[numbers.len() - 1]),
        };
        if command != "M" {
            pieces.push([at.0.min(to.0), at.1.min(to.1), at.0.max(to.0), at.1.max(to.1)]);
        }
        at = to;
    }
    pieces
}

/// Whether an area has a point within a box, its border aside.
fn meets(frame: Frame, [left, top, right, bottom]: [i32; 4]) -> bool {
    let Frame { x, y, width, height } = frame;
    left < x + width && right > x && top < y + height && bottom > y
}

#[test]
fn boxes_stand_apart_and_no_arrow_goes_through_one() {
    let mut numbers = Numbers(7);
    for _ in 0..PICTURES {
        let picture = picture(&mut numbers);
        let layout = Layout::of(&picture);
        let svg = picture.to_svg();
        for (step, frame) in layout.frames.iter().enumerate() {
            let Frame { x, y, width, height } = *frame;
            let area = [x, y, x + width, y + height];
            assert!(x > 0 && y > 0 && x + width < layout.width && y + height < layout.height);
            for other in &layout.frames[step + 1..] {
                assert!(!meets(*other, area), "boxes overlap in\n{svg}");
            }
            for piece in layout.forward.iter().chain(&layout.backward).flat_map(|it| pieces(it)) {
                assert!(!meets(*frame, piece), "an arrow goes through a box in\n{svg}");
            }
        }
        assert_eq!(layout.forward.len() + layout.backward.len(), 2 * picture.forward.len());
    }
}

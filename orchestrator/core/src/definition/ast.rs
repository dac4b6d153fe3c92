//! The tree of a CEL expression: what it reads and calls, and the guard around everything that it
//! iterates over.

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock},
};

use cel::{
    Context, Env, ExecutionError, IdedExpr,
    common::{
        ast::{CallExpr, EntryExpr, Expr, LiteralValue, MapExpr, operators},
        types::DYN_TYPE,
        value::CowVal,
    },
};

use super::scope::{Root, Unseen, View};

/// Loops within loops: two let one list be compared with another, and three would be a cubic number
/// of turns.
const NESTING_MAX: usize = 2;
/// Items that a loop may go over: with two loops nested, a million turns, well under a second.
const ITEMS_MAX: i64 = 1_000;
/// The guard's name; no expression can spell it.
pub(super) const GUARD: &str = "@items";

/// The standard library of CEL, and the guard.
pub(super) static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    env.add_overload(GUARD, GUARD, vec![DYN_TYPE], guard)
        .expect("no standard function has a name with an at sign");
    Arc::new(env)
});

/// What an expression was found to be.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// What it reads.
    pub(super) reads: BTreeSet<Root>,
    /// Where it is nothing but a path: its root and the fields below.
    pub(super) path: Option<(Root, Vec<String>)>,
    /// Whether it reads what cannot be found because something else was refused.
    pub(super) is_blind: bool,
    /// What is wrong: the text to point at, and why.
    pub(super) problems: Vec<(String, Unseen)>,
}

/// Finds what an expression reads, and whatever it must not.
pub(super) fn survey(expr: &IdedExpr, view: &View<'_>) -> Survey {
    let mut surveyor = Surveyor { view, survey: Survey::default(), bound: Vec::new() };
    surveyor.visit(expr, 0);
    let mut survey = surveyor.survey;
    if let Some((name, fields, Presence::Value)) = chain(expr) {
        survey.path = view.resolve(name, &fields).ok().map(|(root, taken)| {
            (root, fields[taken..].iter().map(|field| (*field).to_owned()).collect())
        });
    }
    survey
}

struct Surveyor<'a> {
    view: &'a View<'a>,
    survey: Survey,
    /// Names that loops around the present place have bound.
    bound: Vec<&'a str>,
}

impl<'a> Surveyor<'a> {
    fn visit(&mut self, ided: &'a IdedExpr, nesting: usize) {
        if let Some((name, fields, _)) = chain(ided) {
            return self.reference(name, &fields);
        }
        match &ided.expr {
            Expr::Comprehension(comprehension) => {
                self.visit(&comprehension.iter_range, nesting);
                self.visit(&comprehension.accu_init, nesting);
                let nesting = nesting + 1;
                if nesting > NESTING_MAX {
                    let message = format!("more than {NESTING_MAX} loops are nested here");
                    let hint = "let a participant compute it, or pass the list on as it is";
                    return self.problem(String::new(), message, hint.to_owned());
                }
                let before = self.bound.len();
                let second = comprehension.iter_var2.as_deref();
                self.bound.extend([comprehension.iter_var.as_str(), &comprehension.accu_var]);
                self.bound.extend(second);
                for part in
                    [&comprehension.loop_cond, &comprehension.loop_step, &comprehension.result]
                {
                    self.visit(part, nesting);
                }
                self.bound.truncate(before);
            }
            Expr::Call(call) => {
                self.function(call);
                for child in call.target.as_deref().into_iter().chain(&call.args) {
                    self.visit(child, nesting);
                }
            }
            Expr::Select(select) => self.visit(&select.operand, nesting),
            Expr::List(list) => list.elements.iter().for_each(|item| self.visit(item, nesting)),
            Expr::Map(map) => {
                for (key, value, _) in entries(map) {
                    self.visit(key, nesting);
                    self.visit(value, nesting);
                }
            }
            Expr::Struct(made) => {
                let message = format!("there is no type `{}`", made.type_name);
                let hint = "a map is written `{'key': value}`".to_owned();
                self.problem(made.type_name.clone(), message, hint);
            }
            Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
        }
    }

    fn reference(&mut self, name: &str, fields: &[&str]) {
        if self.bound.contains(&name) || name.starts_with('@') {
            return;
        }
        match self.view.resolve(name, fields) {
            Ok((root, _)) => {
                self.survey.reads.insert(root);
            }
            Err(_) if !self.view.are_named => self.survey.is_blind = true,
            Err(unseen) => {
                let path = [&[name], fields].concat().join(".");
                self.survey.problems.push((path, unseen));
            }
        }
    }

    /// Calls with arguments of no type: what is declared refuses those, and what is not is
    /// undeclared.
    fn function(&mut self, call: &CallExpr) {
        let name = &call.func_name;
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return;
        }
        let null = || IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::Null) };
        let trial = CallExpr {
            func_name: name.clone(),
            target: call.target.as_ref().map(|_| Box::new(null())),
            args: call.args.iter().map(|_| null()).collect(),
        };
        let trial = IdedExpr { id: 0, expr: Expr::Call(trial) };
        let answer = Context::with_env(Arc::clone(&ENV)).resolve(&trial);
        if let Err(ExecutionError::UndeclaredReference(_)) = answer {
            let hint =
                "expressions have the standard functions of CEL: `size`, `has`, `matches`, …";
            self.problem(name.clone(), format!("there is no function `{name}`"), hint.to_owned());
        }
    }

    fn problem(&mut self, at: String, message: String, hint: String) {
        self.survey.problems.push((at, Unseen { message, hint }));
    }
}

/// Whether a chain of fields asks for a value or only whether it is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Value,
    Test,
}

/// A name and the fields selected from it, where the expression is nothing else.
pub(super) fn chain(ided: &IdedExpr) -> Option<(&str, Vec<&str>, Presence)> {
    match &ided.expr {
        Expr::Ident(name) => Some((name, Vec::new(), Presence::Value)),
        Expr::Select(select) => {
            let (name, mut fields, presence) = chain(&select.operand)?;
            fields.push(&select.field);
            Some((name, fields, if select.test { Presence::Test } else { presence }))
        }
        Expr::Unspecified
        | Expr::Call(_)
        | Expr::Comprehension(_)
        | Expr::List(_)
        | Expr::Literal(_)
        | Expr::Map(_)
        | Expr::Struct(_) => None,
    }
}

/// The keys and values of a map, and whether each may be left out.
pub(super) fn entries(map: &MapExpr) -> impl Iterator<Item = (&IdedExpr, &IdedExpr, bool)> {
    map.entries.iter().filter_map(|entry| match &entry.expr {
        EntryExpr::MapEntry(entry) => Some((&entry.key, &entry.value, entry.optional)),
        EntryExpr::StructField(_) => None,
    })
}

/// The node of an expression that is written first, for places within its text.
pub(super) fn start(ided: &IdedExpr) -> u64 {
    match &ided.expr {
        Expr::Select(select) => start(&select.operand),
        Expr::Call(CallExpr { target: Some(target), .. }) => start(target),
        Expr::Call(CallExpr { func_name, args, .. }) if func_name == operators::INDEX => {
            args.first().map_or(ided.id, start)
        }
        Expr::Unspecified
        | Expr::Call(_)
        | Expr::Comprehension(_)
        | Expr::Ident(_)
        | Expr::List(_)
        | Expr::Literal(_)
        | Expr::Map(_)
        | Expr::Struct(_) => ided.id,
    }
}

/// Puts the guard around everything that the expression iterates over.
pub(super) fn guard_loops(ided: &mut IdedExpr) {
    match &mut ided.expr {
        Expr::Comprehension(comprehension) => {
            let range = std::mem::take(&mut comprehension.iter_range);
            let call = CallExpr { func_name: GUARD.to_owned(), target: None, args: vec![range] };
            comprehension.iter_range = IdedExpr { id: 0, expr: Expr::Call(call) };
            let comprehension = &mut **comprehension;
            for part in [
                &mut comprehension.iter_range,
                &mut comprehension.accu_init,
                &mut comprehension.loop_cond,
                &mut comprehension.loop_step,
                &mut comprehension.result,
            ] {
                guard_loops(part);
            }
        }
        Expr::Call(call) => {
            call.target.as_deref_mut().into_iter().chain(&mut call.args).for_each(guard_loops);
        }
        Expr::Select(select) => guard_loops(&mut select.operand),
        Expr::List(list) => list.elements.iter_mut().for_each(guard_loops),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    guard_loops(&mut entry.key);
                    guard_loops(&mut entry.value);
                }
            }
        }
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) => {}
    }
}

/// Lets lists of a bounded length pass. Maps have no order of their own, and a decision must not
/// hang on chance.
fn guard<'b, 'v>(mut args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let refuse = |message: String| Err(ExecutionError::function_error(GUARD, message));
    let Some(range) = args.pop() else {
        return refuse("there is nothing to go over".to_owned());
    };
    let kind = range.get_type().name().to_owned();
    let size = range.as_sizer().map_or(0, |sizer| *sizer.size().inner());
    match kind.as_str() {
        "list" if size <= ITEMS_MAX => Ok(range),
        "list" => refuse(format!("a list of {size} items is gone over, more than {ITEMS_MAX}")),
        _ => refuse(format!("only a list can be gone over, and this is a {kind}")),
    }
}

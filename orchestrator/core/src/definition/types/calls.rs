//! The walk through operators, functions and loops.

use cel::{
    IdedExpr,
    common::ast::{CallExpr, ComprehensionExpr, operators},
};

use super::{
    super::{ast, diagnostic::Severity},
    facts, functions,
    kinds::Kinds,
    part::Part,
    told,
    value::Type,
    walk::{Here, Segment, Walk, subject},
};

impl<'s> Walk<'_, 's> {
    /// What must be true or false.
    fn condition(&mut self, expr: &IdedExpr, operator: &str, here: &Here<'s>) {
        let value = self.solid(expr, here);
        if let Some(but) = value.misses(Kinds::BOOL) {
            let told = told::no_condition(&subject(expr), value.kinds, but, operator);
            self.report(expr, Severity::Error, told);
        }
    }

    pub(super) fn call(&mut self, expr: &IdedExpr, call: &CallExpr, here: &Here<'s>) -> Type<'s> {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operator @ (operators::LOGICAL_AND | operators::LOGICAL_OR), [left, right]) => {
                let is_and = operator == operators::LOGICAL_AND;
                let operator = if is_and { "&&" } else { "||" };
                self.condition(left, operator, here);
                self.condition(right, operator, &here.assuming(left, is_and));
                Type::of_kinds(Kinds::BOOL)
            }
            (operators::LOGICAL_NOT, [not]) => {
                self.condition(not, "!", here);
                Type::of_kinds(Kinds::BOOL)
            }
            (operators::CONDITIONAL, [condition, yes, no]) => {
                self.condition(condition, "?", here);
                let yes = self.infer(yes, &here.assuming(condition, true));
                yes.or(self.infer(no, &here.assuming(condition, false)))
            }
            (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => {
                self.infer(left, here);
                self.infer(right, here);
                Type::of_kinds(Kinds::BOOL)
            }
            (operators::IN, [item, list]) => {
                let all = self.solid(list, here);
                if all.known.meets(Kinds::MAP) {
                    let key = self.solid(item, here);
                    let keys = Kinds::TEXT.or(Kinds::NUMBER).or(Kinds::BOOL);
                    self.takes(&[(item, key)], "in", keys);
                } else {
                    self.infer(item, here);
                }
                self.takes(&[(list, all)], "in", Kinds::LIST.or(Kinds::MAP));
                Type::of_kinds(Kinds::BOOL)
            }
            (operators::INDEX, [operand, index]) => self.index(expr, operand, index, here),
            (operators::OPT_INDEX | operators::OPT_SELECT, args) => {
                args.iter().for_each(|arg| drop(self.infer(arg, here)));
                Type::UNKNOWN
            }
            (ast::GUARD, [same]) => self.infer(same, here),
            (name, args) => {
                let all = call.target.as_deref().into_iter().chain(args);
                let all: Vec<_> = match functions::takes_null(name) {
                    true => all.map(|arg| (arg, self.infer(arg, here))).collect(),
                    false => all.map(|arg| (arg, self.solid(arg, here))).collect(),
                };
                if let (Some((operator, together)), [(_, left), (_, right)]) =
                    (functions::operands(name), all.as_slice())
                    && functions::is_misfit(left.known, right.known, together)
                {
                    let told = told::no_pair(operator, left.known, right.known);
                    self.report(expr, Severity::Error, told);
                    return Type::UNKNOWN;
                }
                if let Some((name, kinds)) = functions::arguments(name) {
                    self.takes(&all, name, kinds);
                }
                functions::result(name, all.into_iter().map(|(_, value)| value).collect())
            }
        }
    }

    /// Reports arguments that are, or may be, of a kind that a function does not take.
    fn takes(&mut self, args: &[(&IdedExpr, Type<'s>)], function: &str, kinds: Kinds) {
        for (arg, value) in args {
            if let Some(but) = value.misses(kinds) {
                let told = told::no_argument(&subject(arg), value.kinds, but, function);
                self.report(arg, Severity::Error, told);
            }
        }
    }

    fn index(
        &mut self,
        expr: &IdedExpr,
        operand: &IdedExpr,
        index: &IdedExpr,
        here: &Here<'s>,
    ) -> Type<'s> {
        let segment = match (facts::text(index), facts::number(index)) {
            (Some(field), _) => Segment::Field(field),
            (_, Some(number)) => Segment::Item(usize::try_from(number).ok()),
            _ => match self.infer(index, here).kinds {
                Kinds::TEXT => Segment::AnyField,
                Kinds::INTEGER => Segment::AnyItem,
                _ => Segment::Any,
            },
        };
        self.read(expr, operand, segment, false, here)
    }

    pub(super) fn comprehension(&mut self, loops: &ComprehensionExpr, here: &Here<'s>) -> Type<'s> {
        let range = self.solid(&loops.iter_range, here);
        let at = &loops.iter_range;
        let item = match (range.misses(Kinds::LIST), range.item(None)) {
            (None, Part::There { part, is_untyped, .. }) => {
                if is_untyped {
                    let told = self.untyped(at, Kinds::LIST, "items");
                    self.report(at, Severity::Warning, told);
                }
                part
            }
            (Some(but), _) => {
                let told = told::no_list(&subject(at), range.kinds, but);
                self.report(at, Severity::Error, told);
                Type::UNKNOWN
            }
            (None, Part::Nowhere(_) | Part::NoParts) => Type::UNKNOWN,
        };
        let start = self.infer(&loops.accu_init, here);
        let mut inside = here.clone();
        match &loops.iter_var2 {
            None => inside.bind(&loops.iter_var, item),
            Some(second) => {
                inside.bind(&loops.iter_var, Type::UNKNOWN);
                inside.bind(second, Type::UNKNOWN);
            }
        }
        inside.bind(&loops.accu_var, start.clone());
        self.infer(&loops.loop_cond, &inside);
        let made = self.infer(&loops.loop_step, &inside);
        let mut after = here.clone();
        after.bind(&loops.accu_var, start.or(made));
        self.infer(&loops.result, &after)
    }
}

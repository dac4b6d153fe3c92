//! The walk through operators, functions and loops.

use cel::{
    IdedExpr,
    common::ast::{CallExpr, ComprehensionExpr, operators},
};

use super::{
    super::{ast, diagnostic::Severity},
    facts, functions,
    kinds::Kinds,
    told,
    value::{Part, Type},
    walk::{Here, Segment, Walk, subject},
};

impl<'s> Walk<'_, 's> {
    /// What must be true or false.
    fn condition(&mut self, expr: &IdedExpr, operator: &str, here: &Here<'s>) {
        let value = self.solid(expr, here);
        if value.is_never(Kinds::BOOL) {
            let told = told::no_condition(&subject(expr), value.kinds, operator);
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
                self.infer(item, here);
                self.solid(list, here);
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
                    true => all.map(|arg| self.infer(arg, here)).collect(),
                    false => all.map(|arg| self.solid(arg, here)).collect(),
                };
                functions::result(name, all)
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
        if let Some(field) = facts::text(index) {
            return self.read(expr, operand, Segment::Field(field), false, here);
        }
        let by = self.infer(index, here);
        if by.kinds == Kinds::INTEGER {
            return self.read(expr, operand, Segment::Item, false, here);
        }
        self.solid(operand, here);
        Type::UNKNOWN
    }

    pub(super) fn comprehension(&mut self, loops: &ComprehensionExpr, here: &Here<'s>) -> Type<'s> {
        let range = self.solid(&loops.iter_range, here);
        let item = match range.item() {
            Part::There { part, .. } => part,
            Part::NoParts => {
                let told = told::no_list(&subject(&loops.iter_range), range.kinds);
                self.report(&loops.iter_range, Severity::Error, told);
                Type::UNKNOWN
            }
            Part::Nowhere(_) | Part::Open | Part::Unknown => Type::UNKNOWN,
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

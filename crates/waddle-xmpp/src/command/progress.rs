//! Where a command stands: which actions are possible and what they lead to (XEP-0050 §3.4). No clock, no server.

use waddle_stanza::{
    StanzaError,
    forms::{Form, FormKind},
};

use super::bad;

/// What the asker wants (§4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Execute,
    Next,
    Prev,
    Complete,
    Cancel,
}

impl Action {
    pub(super) fn read(name: Option<&str>) -> Result<Self, StanzaError> {
        match name {
            None | Some("execute") => Ok(Self::Execute),
            Some("next") => Ok(Self::Next),
            Some("prev") => Ok(Self::Prev),
            Some("complete") => Ok(Self::Complete),
            Some("cancel") => Ok(Self::Cancel),
            Some(_) => Err(bad("malformed-action")),
        }
    }
}

/// The form that is shown, and the answers to those before it.
#[derive(Debug)]
pub(super) struct Progress {
    pub answers: Vec<Form>,
    pub shown: Form,
    pub more: bool,
}

/// What an action leads to.
#[derive(Debug)]
pub(super) enum Move {
    Cancel,
    /// The command is asked for what comes after these answers.
    Ask(Vec<Form>),
}

impl Progress {
    pub(super) fn act(&self, action: Action, form: Option<&Form>) -> Result<Move, StanzaError> {
        let forward = match action {
            Action::Cancel => return Ok(Move::Cancel),
            Action::Prev if self.answers.is_empty() => return Err(bad("bad-action")),
            Action::Prev => false,
            Action::Execute => true,
            Action::Next if self.more => true,
            Action::Complete if !self.more => true,
            Action::Next | Action::Complete => return Err(bad("bad-action")),
        };
        let mut answers = self.answers.clone();
        if !forward {
            answers.pop();
            return Ok(Move::Ask(answers));
        }
        match form {
            Some(f) if f.kind == FormKind::Cancel => Ok(Move::Cancel),
            Some(f) if f.kind == FormKind::Submit => {
                let answer = self
                    .shown
                    .accept(f)
                    .map_err(|e| bad("bad-payload").text(e.to_string()))?;
                answers.push(answer);
                Ok(Move::Ask(answers))
            }
            _ => Err(bad("bad-payload").text("a submitted form is expected")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use waddle_stanza::forms::{Field, FieldKind};

    fn progress(answers: usize, more: bool) -> Progress {
        Progress {
            answers: vec![Form::new(FormKind::Submit); answers],
            shown: Form::new(FormKind::Form).field(Field::new("x", FieldKind::TextSingle).required()),
            more,
        }
    }

    fn submit() -> Form {
        Form::new(FormKind::Submit).field(Field::new("x", FieldKind::TextSingle).value("1"))
    }

    fn app(r: Result<Move, StanzaError>) -> &'static str {
        r.unwrap_err().app.unwrap().0
    }

    fn answers(r: Result<Move, StanzaError>) -> usize {
        match r.unwrap() {
            Move::Ask(a) => a.len(),
            Move::Cancel => panic!("cancelled"),
        }
    }

    #[test]
    fn actions_of_a_first_of_two_stages() {
        let p = progress(0, true);
        assert_eq!(answers(p.act(Action::Next, Some(&submit()))), 1);
        assert_eq!(answers(p.act(Action::Execute, Some(&submit()))), 1);
        assert_eq!(app(p.act(Action::Complete, Some(&submit()))), "bad-action");
        assert_eq!(app(p.act(Action::Prev, None)), "bad-action");
        assert!(matches!(p.act(Action::Cancel, None), Ok(Move::Cancel)));
    }

    #[test]
    fn actions_of_a_last_stage() {
        let p = progress(1, false);
        assert_eq!(answers(p.act(Action::Complete, Some(&submit()))), 2);
        assert_eq!(answers(p.act(Action::Prev, None)), 0);
        assert_eq!(app(p.act(Action::Next, Some(&submit()))), "bad-action");
        assert_eq!(app(p.act(Action::Complete, None)), "bad-payload");
        let empty = Form::new(FormKind::Submit);
        assert_eq!(app(p.act(Action::Complete, Some(&empty))), "bad-payload");
        let no = Form::new(FormKind::Cancel);
        assert!(matches!(p.act(Action::Complete, Some(&no)), Ok(Move::Cancel)));
    }

    #[test]
    fn actions_have_names() {
        assert_eq!(Action::read(None).unwrap(), Action::Execute);
        assert_eq!(Action::read(Some("prev")).unwrap(), Action::Prev);
        assert_eq!(
            Action::read(Some("jump")).unwrap_err().app.unwrap().0,
            "malformed-action"
        );
    }
}

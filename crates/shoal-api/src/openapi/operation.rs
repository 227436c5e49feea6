//! One call, described: where it is, who may use it, what goes in and what comes out.

use std::collections::BTreeSet;

use axum::routing::MethodFilter;
use http::Method;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};
use shoal_store::Role;

use super::{OF_ALL, OF_BODIES, OF_LOGINS};
use crate::{auth, error::Code};

/// A schema that a type describes, or one that is written out.
pub(super) enum Shape {
    Of(fn(&mut SchemaGenerator) -> Schema),
    Is(Value),
}

/// Who is let through.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Login {
    Nobody,
    Of(Role),
    Machine,
}

pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) place: &'static str,
    pub(super) required: bool,
    pub(super) about: &'static str,
    pub(super) schema: Value,
    pub(super) example: Option<Value>,
}

pub(super) struct Body {
    pub(super) about: String,
    pub(super) required: bool,
    /// Content type and name of the schema among the components.
    pub(super) content: Vec<(&'static str, Shape)>,
    pub(super) examples: Vec<(&'static str, Value)>,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) about: &'static str,
    pub(super) content: Vec<(&'static str, Shape)>,
    pub(super) location: bool,
}

/// The description of one call.
pub(crate) struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) about: &'static str,
    pub(super) tag: &'static str,
    pub(super) login: Login,
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Body>,
    pub(super) answers: Vec<Answer>,
    pub(super) refusals: BTreeSet<Code>,
}

impl Operation {
    pub(crate) fn get(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new(Method::GET, path, id, summary)
    }

    pub(crate) fn head(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new(Method::HEAD, path, id, summary)
    }

    pub(crate) fn post(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new(Method::POST, path, id, summary)
    }

    pub(crate) fn put(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new(Method::PUT, path, id, summary)
    }

    pub(crate) fn delete(path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self::new(Method::DELETE, path, id, summary)
    }

    /// A call with a login, of the role which the layer around all such calls asks for.
    fn new(method: Method, path: &'static str, id: &'static str, summary: &'static str) -> Self {
        let role = auth::needed(Some(path), auth::is_read(&method));
        let mut refusals = BTreeSet::from(OF_ALL);
        refusals.extend(OF_LOGINS);
        if role > Role::Reader || !auth::is_read(&method) {
            refusals.insert(Code::Forbidden);
        }
        Self {
            method,
            path,
            id,
            summary,
            about: "",
            tag: "",
            login: Login::Of(role),
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            refusals,
        }
    }

    pub(crate) fn path(&self) -> &'static str {
        self.path
    }

    pub(crate) fn filter(&self) -> MethodFilter {
        // The constructors know no method without a filter.
        MethodFilter::try_from(self.method.clone()).unwrap_or(MethodFilter::GET)
    }

    /// More about the call than fits into its summary.
    pub(crate) fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    pub(crate) fn tag(mut self, tag: &'static str) -> Self {
        self.tag = tag;
        self
    }

    /// A call anybody may make.
    pub(crate) fn open(mut self) -> Self {
        self.login = Login::Nobody;
        self.refusals = BTreeSet::from(OF_ALL);
        self
    }

    /// A call of the maintenance OS, which proves itself by its token.
    pub(crate) fn of_machine(mut self) -> Self {
        self.login = Login::Machine;
        self.refusals = BTreeSet::from(OF_ALL);
        self.refuses([Code::RateLimited, Code::Unavailable])
    }

    /// A parameter of the path, with a value that exists in the other examples.
    pub(crate) fn named(
        mut self,
        name: &'static str,
        about: &'static str,
        schema: Value,
        example: Value,
    ) -> Self {
        let example = Some(example);
        self.parameters.push(Parameter {
            name,
            place: "path",
            required: true,
            about,
            schema,
            example,
        });
        self
    }

    /// A parameter of the query. Every call that has one refuses what is malformed or unknown.
    pub(crate) fn query(mut self, name: &'static str, about: &'static str, schema: Value) -> Self {
        self.parameters.push(Parameter {
            name,
            place: "query",
            required: false,
            about,
            schema,
            example: None,
        });
        self.refuses([Code::Validation])
    }

    /// A parameter of the query that must be there.
    pub(crate) fn needs(self, name: &'static str, about: &'static str, schema: Value) -> Self {
        let mut operation = self.query(name, about, schema);
        if let Some(parameter) = operation.parameters.last_mut() {
            parameter.required = true;
        }
        operation
    }

    /// A switch in the query.
    pub(crate) fn switch(self, name: &'static str, about: &'static str) -> Self {
        self.query(name, about, json!({"enum": ["true", "false", "1", "0"], "default": "false"}))
    }

    /// An optional header.
    pub(crate) fn header(mut self, name: &'static str, about: &'static str, schema: Value) -> Self {
        self.parameters.push(Parameter {
            name,
            place: "header",
            required: false,
            about,
            schema,
            example: None,
        });
        self
    }

    /// A JSON body of at most `most` bytes.
    pub(crate) fn takes<T: JsonSchema>(self, most: usize) -> Self {
        self.takes_as::<T>(most, &["application/json"])
    }

    /// A body of at most `most` bytes in one of several types.
    pub(crate) fn takes_as<T: JsonSchema>(
        mut self,
        most: usize,
        types: &'static [&'static str],
    ) -> Self {
        let shape = |content_type: &str| {
            if content_type == "application/json" {
                Shape::Of(SchemaGenerator::subschema_for::<T>)
            } else {
                Shape::Is(json!({"type": "string"}))
            }
        };
        self.body = Some(Body {
            about: format!("At most {most} bytes."),
            required: true,
            content: types.iter().map(|it| (*it, shape(it))).collect(),
            examples: Vec::new(),
        });
        self.refuses(OF_BODIES)
    }

    /// The body may be left out.
    pub(crate) fn optionally(mut self) -> Self {
        if let Some(body) = &mut self.body {
            body.required = false;
        }
        self
    }

    /// An example of the JSON body. The first one works with the examples of the parameters.
    pub(crate) fn example(mut self, name: &'static str, value: Value) -> Self {
        if let Some(body) = &mut self.body {
            body.examples.push((name, value));
        }
        self
    }

    /// Answers with this, as JSON.
    pub(crate) fn answers<T: JsonSchema>(mut self, status: u16, about: &'static str) -> Self {
        let content = vec![("application/json", Shape::Of(SchemaGenerator::subschema_for::<T>))];
        self.answers.push(Answer { status, about, content, location: false });
        self
    }

    /// Answers without a body.
    pub(crate) fn answers_nothing(mut self, status: u16, about: &'static str) -> Self {
        self.answers.push(Answer { status, about, content: Vec::new(), location: false });
        self
    }

    /// Answers with something that no type of ours describes. Said again for the same status, it
    /// adds another content type.
    pub(crate) fn answers_as(
        mut self,
        status: u16,
        about: &'static str,
        content_type: &'static str,
        schema: Value,
    ) -> Self {
        let content = (content_type, Shape::Is(schema));
        match self.answers.iter_mut().find(|answer| answer.status == status) {
            Some(answer) => answer.content.push(content),
            None => {
                let content = vec![content];
                self.answers.push(Answer { status, about, content, location: false });
            }
        }
        self
    }

    /// The answers so far say in `Location` where the thing is.
    pub(crate) fn located(mut self) -> Self {
        for answer in &mut self.answers {
            answer.location = true;
        }
        self
    }

    /// Refuses with these codes, besides those of the layers around it.
    pub(crate) fn refuses(mut self, codes: impl IntoIterator<Item = Code>) -> Self {
        self.refusals.extend(codes);
        self
    }
}

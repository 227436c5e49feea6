//! Routes and their description as one thing: the only way to a path of this surface is through an
//! [`Operation`].

use axum::{
    Router,
    handler::Handler,
    routing::{any, on},
};

use super::Operation;

/// A router and the description of everything in it.
pub(crate) struct Routes<S = ()> {
    router: Router<S>,
    operations: Vec<Operation>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    pub(crate) fn new() -> Self {
        Self { router: Router::new(), operations: Vec::new() }
    }

    /// Lets `handler` answer the operation's method at the operation's path.
    pub(crate) fn add<H, T>(mut self, operation: Operation, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.router = self.router.route(operation.path(), on(operation.filter(), handler));
        self.operations.push(operation);
        self
    }

    /// Lets `handler` answer all methods of all paths under a wildcard, which OpenAPI cannot say;
    /// `operations` describe what it serves there.
    pub(crate) fn add_under<H, T>(
        mut self,
        wildcard: &str,
        operations: impl IntoIterator<Item = Operation>,
        handler: H,
    ) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.router = self.router.route(wildcard, any(handler));
        self.operations.extend(operations);
        self
    }

    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.operations.extend(other.operations);
        self
    }

    /// Puts layers around every route so far. `layers` must add no route.
    pub(crate) fn layered(mut self, layers: impl FnOnce(Router<S>) -> Router<S>) -> Self {
        self.router = layers(self.router);
        self
    }

    pub(crate) fn with_state(self, state: S) -> Routes<()> {
        Routes { router: self.router.with_state(state), operations: self.operations }
    }

    pub(crate) fn operations(&self) -> &[Operation] {
        &self.operations
    }
}

impl From<Routes<()>> for Router {
    fn from(routes: Routes<()>) -> Self {
        routes.router
    }
}

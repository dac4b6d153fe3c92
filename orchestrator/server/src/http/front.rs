//! The routes follow the definitions: where those change, so do the paths that they expose.

use std::sync::{Arc, PoisonError, RwLock};

use axum::{Router, extract::Request, response::Response};
use saga_engine::definitions::Served;
use tower::ServiceExt;

use super::{App, routes};

/// Whoever asks is answered by the routes for the definitions of that moment.
struct Front {
    app: App,
    built: RwLock<Built>,
}

/// Routes, and what they were built for.
#[derive(Clone)]
struct Built {
    served: Arc<Served>,
    routes: Router,
}

/// Every route that there is at the moment it is asked for.
pub(super) fn front(app: App) -> Router {
    let built = RwLock::new(Built::of(&app));
    let front = Arc::new(Front { app, built });
    Router::new().fallback(move |request: Request| {
        let front = Arc::clone(&front);
        async move { front.answer(request).await }
    })
}

impl Built {
    fn of(app: &App) -> Self {
        let served = app.engine.definitions().served();
        let routes = routes(app.clone(), &served);
        Self { served, routes }
    }
}

impl Front {
    async fn answer(&self, request: Request) -> Response {
        match self.routes().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    fn routes(&self) -> Router {
        // Whoever panicked with it has built nothing.
        let built = self.built.read().unwrap_or_else(PoisonError::into_inner).clone();
        if Arc::ptr_eq(&built.served, &self.app.engine.definitions().served()) {
            return built.routes;
        }
        let built = Built::of(&self.app);
        let routes = built.routes.clone();
        *self.built.write().unwrap_or_else(PoisonError::into_inner) = built;
        routes
    }
}

//! The registry in this process: in front of the API's routes at `/v2/`, because its answers, limits
//! and metrics are its own and its bodies may be twenty gigabytes.

mod admission;
mod pull;
mod trail;

use std::net::IpAddr;

use axum::{
    Router,
    body::Body,
    extract::Request,
    middleware::{Next, from_fn},
    response::Response,
};
use shoal_api::ClientAddr;
use shoal_oci::http::{Client, Service};

pub(crate) use admission::Admission;
pub(crate) use pull::Pulls;
pub(crate) use trail::{Trail, Written};

/// The router with the registry in front of it, if there is one.
pub(crate) fn mounted(router: Router, service: Option<Service>) -> Router {
    let Some(service) = service else { return router };
    router.layer(from_fn(move |request: Request, next: Next| {
        let service = service.clone();
        async move {
            if is_registrys(request.uri().path()) {
                answer(&service, request).await
            } else {
                next.run(request).await
            }
        }
    }))
}

async fn answer(service: &Service, mut request: Request) -> Response {
    let client = request.extensions().get::<ClientAddr>().map(|client| client.0);
    if let Some(client) = client.map(|address: IpAddr| address.to_canonical()) {
        request.extensions_mut().insert(Client(client));
    }
    service.respond(request).await.map(Body::new)
}

fn is_registrys(path: &str) -> bool {
    path.strip_prefix("/v2").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_has_the_paths_below_v2_and_no_other() {
        for path in ["/v2", "/v2/", "/v2/_catalog", "/v2//x", "/v2/../api"] {
            assert!(is_registrys(path), "{path}");
        }
        for path in ["/", "/v2x", "/v20/", "/api/v2/", "/V2/", "//v2/"] {
            assert!(!is_registrys(path), "{path}");
        }
    }
}

//! Who may call a node's admin API, by `auth-services` and `admin-token`; and the token that this process itself calls with.
//!
//! The process's own consoles and health checks have a token that is drawn anew at each start and known to nobody else.

use std::sync::Arc;

use cantle_admin_api::{
    AllowedUser, Authorization, AuthorizationService, AuthorizationSetupError, Grants, TokenService,
    TokenVerifier,
};
use cantle_config::{AdminApiConfig, AuthService, TokenVerifier as Configured};
use cantle_transport::Bearer;
use cantle_types::Clock;
use secrecy::ExposeSecret;

/// The authorization of an admin API and the process's own token for it; neither where everybody may call.
pub(crate) fn of_admin_api(
    config: &AdminApiConfig,
    clock: Arc<dyn Clock>,
) -> Result<(Option<Authorization>, Bearer), AuthorizationSetupError> {
    if config.auth_services.is_empty() {
        return Ok((None, Bearer::default()));
    }
    let services = config.auth_services.iter().map(service).collect::<Result<Vec<_>, _>>()?;
    let own = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let configured = config.admin_token.as_ref().map(|token| token.expose_secret());
    let authorization = Authorization::new(services, configured.into_iter().chain([own.as_str()]), clock);
    Ok((Some(authorization), Bearer::new(&own).unwrap_or_default()))
}

fn service(config: &AuthService) -> Result<AuthorizationService, AuthorizationSetupError> {
    let verifier = match &config.verifier {
        Configured::UnsafeHmac256 { secret } => TokenVerifier::unsafe_hmac256(secret.expose_secret()),
        Configured::Rs256Certificate(path) => TokenVerifier::rs256(path)?,
        Configured::Es256Certificate(path) => TokenVerifier::es256(path)?,
        Configured::Es512Certificate(path) => TokenVerifier::es512(path)?,
        Configured::Rs256Jwks { url } => TokenVerifier::jwks(url)?,
        Configured::Wildcard => return Ok(AuthorizationService::Wildcard),
    };
    let grants = if !config.users.is_empty() {
        let users = config.users.iter();
        Grants::Users(
            users
                .map(|user| AllowedUser {
                    user: user.user_id.clone(),
                    services: user.allowed_services.clone(),
                })
                .collect(),
        )
    } else if config.privileged {
        Grants::Privileged
    } else {
        Grants::OwnClaims
    };
    Ok(AuthorizationService::Tokens(TokenService {
        verifier,
        audience: config.target_audience.clone(),
        scope: config.target_scope.clone(),
        grants,
    }))
}

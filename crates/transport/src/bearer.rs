//! Tokens of callers: what a console sends with each call where the admin API asks for one.

use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};

/// A channel whose calls carry the caller's token, if it has one.
pub type AuthorizedChannel = InterceptedService<Channel, Bearer>;

/// A caller's token, or none. Printed, it does not show the token.
#[derive(Clone, Debug, Default)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    /// A token as a JSON Web Token is, or as an operator has written it; `None` when it has characters that no header may
    /// have.
    #[must_use]
    pub fn new(token: &str) -> Option<Self> {
        let mut value: MetadataValue<Ascii> = format!("Bearer {token}").parse().ok()?;
        value.set_sensitive(true);
        Some(Self(Some(value)))
    }

    /// A channel whose calls carry this token.
    #[must_use]
    pub fn over(self, channel: Channel) -> AuthorizedChannel {
        InterceptedService::new(channel, self)
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("authorization", token.clone());
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sent_and_not_printed() {
        let mut bearer = Bearer::new("secret-token").unwrap();
        let sent = bearer.call(Request::new(())).unwrap();
        assert_eq!(sent.metadata().get("authorization").unwrap().to_str().unwrap(), "Bearer secret-token");
        assert!(!format!("{bearer:?}{:?}", sent.metadata()).contains("secret-token"));
        assert!(Bearer::default().call(Request::new(())).unwrap().metadata().is_empty());
    }

    #[test]
    fn what_no_header_may_have_is_no_token() {
        assert!(Bearer::new("two\nlines").is_none());
    }
}

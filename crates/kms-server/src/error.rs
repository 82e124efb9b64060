//! What a refused request is told: AWS's name, status and text.
//!
//! Not the errors of starting the server (see [`crate::StartError`]). A constructor stands for one of AWS's
//! exceptions; where AWS sends no text at all, neither does this.
//!
//! Source: <https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html> and each operation's page.

use std::borrow::Cow;

/// A refusal in AWS's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KmsError {
    pub(crate) code: &'static str,
    pub(crate) message: Option<Cow<'static, str>>,
    pub(crate) status: u16,
}

macro_rules! refusals {
    ($($name:ident => $code:literal, $status:literal;)*) => {
        $(
            pub(crate) fn $name(message: impl Into<Cow<'static, str>>) -> Self {
                Self { code: $code, message: Some(message.into()), status: $status }
            }
        )*
    };
}

impl KmsError {
    refusals! {
        access_denied => "AccessDeniedException", 400;
        already_exists => "AlreadyExistsException", 400;
        disabled => "DisabledException", 400;
        expired_import_token => "ExpiredImportTokenException", 400;
        expired_token => "ExpiredTokenException", 400;
        incomplete_signature => "IncompleteSignatureException", 400;
        incorrect_key => "IncorrectKeyException", 400;
        incorrect_key_material => "IncorrectKeyMaterialException", 400;
        internal => "KMSInternalException", 500;
        invalid_alias_name => "InvalidAliasNameException", 400;
        invalid_arn => "InvalidArnException", 400;
        invalid_client_token => "UnrecognizedClientException", 400;
        invalid_grant_id => "InvalidGrantIdException", 400;
        invalid_grant_token => "InvalidGrantTokenException", 400;
        invalid_import_token => "InvalidImportTokenException", 400;
        invalid_key_usage => "InvalidKeyUsageException", 400;
        invalid_marker => "InvalidMarkerException", 400;
        invalid_signature => "InvalidSignatureException", 400;
        invalid_state => "KMSInvalidStateException", 400;
        limit_exceeded => "LimitExceededException", 400;
        malformed_policy => "MalformedPolicyDocumentException", 400;
        missing_authentication_token => "MissingAuthenticationTokenException", 400;
        not_found => "NotFoundException", 400;
        serialization => "SerializationException", 400;
        tag => "TagException", 400;
        throttling => "ThrottlingException", 400;
        unsupported_operation => "UnsupportedOperationException", 400;
        validation => "ValidationException", 400;
    }

    /// A refusal without a text: AWS sends some of them so.
    pub(crate) const fn bare(code: &'static str) -> Self {
        Self { code, message: None, status: 400 }
    }

    /// An operation that the protocol does not know.
    pub(crate) const fn unknown_operation() -> Self {
        Self { code: "UnknownOperationException", message: None, status: 400 }
    }

    pub(crate) const fn invalid_ciphertext() -> Self {
        Self::bare("InvalidCiphertextException")
    }

    pub(crate) fn dry_run() -> Self {
        Self {
            code: "DryRunOperationException",
            message: Some(Cow::Borrowed("The request would have succeeded, but the DryRun option is set.")),
            status: 400,
        }
    }

    /// The body AWS sends. The authorization layer writes `Message`, the service `message`.
    pub(crate) fn body(&self) -> Vec<u8> {
        let mut object = serde_json::Map::new();
        object.insert("__type".to_owned(), self.code.into());
        if let Some(message) = &self.message {
            let name = match self.code {
                "AccessDeniedException" | "SerializationException" => "Message",
                _ => "message",
            };
            object.insert(name.to_owned(), message.as_ref().into());
        }
        serde_json::Value::Object(object).to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_names_the_exception_and_leaves_out_a_missing_text() {
        let body = String::from_utf8(KmsError::not_found("Alias x is not found.").body()).unwrap();
        assert_eq!(body, r#"{"__type":"NotFoundException","message":"Alias x is not found."}"#);
        let bare = String::from_utf8(KmsError::invalid_ciphertext().body()).unwrap();
        assert_eq!(bare, r#"{"__type":"InvalidCiphertextException"}"#);
    }
}

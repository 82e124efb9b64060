//! The messages of one event, sorted into what a mediator cares about.

use cantle_protocol::{
    InformeeMessage, MediatorResponse, ProtocolMessage, Recipients, RootHashMessage, SignedProtocolContent,
    SignedProtocolMessage,
};

/// What a mediator finds in one event.
#[derive(Debug, Clone, Default)]
pub struct Inbox {
    /// Requests to conclude; in an honest event at most one.
    pub informees: Vec<InformeeMessage>,
    /// Root hashes, with those who got them.
    pub roots: Vec<(RootHashMessage, Recipients)>,
    /// Answers of participants, not verified yet, with those who got them.
    pub answers: Vec<(SignedProtocolMessage, Recipients)>,
}

/// A request, as far as it can be read.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who is concerned by it; nothing if that is missing or cannot be read.
    pub informees: Option<InformeeMessage>,
    /// Its root hash, as each participant got it.
    pub roots: Vec<(RootHashMessage, Recipients)>,
}

/// A participant's answer whose signature was verified.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What it says.
    pub response: MediatorResponse,
    /// Who got it.
    pub recipients: Recipients,
}

impl Inbox {
    /// Takes a message, if it is one for mediators.
    pub fn take(&mut self, message: ProtocolMessage, recipients: Recipients) {
        match message {
            ProtocolMessage::Informee(message) => self.informees.push(*message),
            ProtocolMessage::RootHash(message) => self.roots.push((message, recipients)),
            ProtocolMessage::Signed(message)
                if matches!(message.content(), SignedProtocolContent::MediatorResponse(_)) =>
            {
                self.answers.push((*message, recipients));
            }
            _ => {}
        }
    }

    /// Whether there is a request in it, even one that cannot be read.
    #[must_use]
    pub fn has_request(&self) -> bool {
        !self.informees.is_empty() || !self.roots.is_empty()
    }
}

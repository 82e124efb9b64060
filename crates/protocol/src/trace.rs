//! The W3C trace context that travels beside messages, so that one request can be followed through all nodes.
//!
//! It never decides anything: a context that cannot be read counts as none.
//! Source: <https://www.w3.org/TR/trace-context/>

use std::fmt::Write as _;

use cantle_crypto::{RandomnessError, random_bytes};
use cantle_proto::v0;

/// `tracestate` beyond this is dropped, as the recommendation allows.
const STATE_MAX: usize = 512;

/// Which trace a message belongs to; possibly none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TraceContext {
    parent: Option<TraceParent>,
    state: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TraceParent {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    flags: u8,
}

impl TraceContext {
    /// No trace.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The beginning of a new trace.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn root() -> Result<Self, RandomnessError> {
        let parent = TraceParent { trace_id: random_bytes()?, span_id: random_bytes()?, flags: 1 };
        Ok(Self { parent: Some(parent), state: None })
    }

    /// A new span in the same trace; a new trace when there is none.
    ///
    /// # Errors
    /// When there is no randomness to be had.
    pub fn child(&self) -> Result<Self, RandomnessError> {
        match self.parent {
            Some(parent) => {
                let parent = TraceParent { span_id: random_bytes()?, ..parent };
                Ok(Self { parent: Some(parent), state: self.state.clone() })
            }
            None => Self::root(),
        }
    }

    /// The context of the header `traceparent`; none when it is malformed.
    #[must_use]
    pub fn from_traceparent(header: &str) -> Self {
        Self { parent: parse(header), state: None }
    }

    /// The header `traceparent`; nothing without a trace.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        let TraceParent { trace_id, span_id, flags } = self.parent?;
        let mut text = String::with_capacity(55);
        text.push_str("00-");
        push_hex(&mut text, &trace_id);
        text.push('-');
        push_hex(&mut text, &span_id);
        text.push('-');
        push_hex(&mut text, &[flags]);
        Some(text)
    }

    /// The id of the trace, 32 hex digits; nothing without a trace.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        let mut text = String::with_capacity(32);
        push_hex(&mut text, &self.parent?.trace_id);
        Some(text)
    }

    /// The message.
    #[must_use]
    pub fn to_proto(&self) -> v0::TraceContext {
        v0::TraceContext { traceparent: self.traceparent(), tracestate: self.state.clone() }
    }

    /// Reads the message; what is malformed or too long in it counts as none.
    #[must_use]
    pub fn from_proto(message: &v0::TraceContext) -> Self {
        let parent = message.traceparent.as_deref().and_then(parse);
        let state = message.tracestate.as_ref().filter(|state| parent.is_some() && state.len() <= STATE_MAX);
        Self { parent, state: state.cloned() }
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
}

fn parse(header: &str) -> Option<TraceParent> {
    let mut parts = header.split('-');
    let (version, trace_id, span_id, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // Later versions may have more parts; version ff is none.
    let [version] = bytes(version)?;
    let parent =
        TraceParent { trace_id: bytes(trace_id)?, span_id: bytes(span_id)?, flags: bytes::<1>(flags)?[0] };
    let well_formed = version != 0xff && (version != 0 || parts.next().is_none());
    (well_formed && parent.trace_id != [0; 16] && parent.span_id != [0; 8]).then_some(parent)
}

fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        for &digit in pair {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            *byte = (*byte << 4) | value;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "00-e84c9ebabd2fddd00e46c3227af37f09-9636ec0012f1f359-01";

    #[test]
    fn a_recorded_header_is_written_back() {
        let context = TraceContext::from_traceparent(HEADER);
        assert_eq!(context.traceparent().as_deref(), Some(HEADER));
        assert_eq!(TraceContext::from_proto(&context.to_proto()), context);
    }

    #[test]
    fn a_child_stays_in_the_trace() {
        let parent = TraceContext::from_traceparent(HEADER);
        let child = parent.child().unwrap();
        assert_eq!(child.trace_id(), parent.trace_id());
        assert_ne!(child, parent);
        assert!(TraceContext::none().child().unwrap().traceparent().is_some());
        assert_ne!(TraceContext::root().unwrap(), TraceContext::root().unwrap());
    }

    #[test]
    fn malformed_headers_count_as_none() {
        let upper = HEADER.to_uppercase();
        let zero = "00-00000000000000000000000000000000-9636ec0012f1f359-01";
        let invalid = HEADER.replacen("00-", "ff-", 1);
        let longer = format!("{HEADER}-x");
        for header in ["", "00", &upper, zero, &invalid, &longer, &HEADER[..54]] {
            assert_eq!(TraceContext::from_traceparent(header), TraceContext::none(), "{header}");
        }
        let later = HEADER.replacen("00-", "01-", 1) + "-more";
        assert_eq!(TraceContext::from_traceparent(&later).traceparent().as_deref(), Some(HEADER));
    }

    #[test]
    fn a_state_that_is_too_long_is_dropped() {
        let traceparent = Some(HEADER.to_owned());
        let message = v0::TraceContext { traceparent, tracestate: Some("a".repeat(STATE_MAX + 1)) };
        assert_eq!(TraceContext::from_proto(&message), TraceContext::from_traceparent(HEADER));
        let message = v0::TraceContext { tracestate: Some("a=b".into()), ..message };
        assert_eq!(TraceContext::from_proto(&message).to_proto(), message);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_ignored(text in "[0-9a-f-]{0,80}|.*") {
            let context = TraceContext::from_traceparent(&text);
            if let Some(header) = context.traceparent() {
                prop_assert_eq!(TraceContext::from_traceparent(&header), context);
            }
        }
    }
}

//! The broker's URL, with the parameters that we need where it does not give them.

use lapin::uri::AMQPUri;

use super::limits::{HEARTBEAT_SECONDS, TCP_CONNECT_MILLIS};

/// What a URL looks like.
const FORM: &str = "`amqp://user:password@host:port/vhost`";

/// A URL that is not one of an AMQP broker. It does not repeat the URL, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the broker's URL is not valid: {0}")]
pub struct InvalidUrl(String);

/// Where the broker is and who we are there.
#[derive(Clone)]
pub(super) struct Address(AMQPUri);

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, InvalidUrl> {
        // The parser takes an IPv6 literal for "no host given" and would silently talk to
        // localhost.
        let host = url.rsplit('@').next().unwrap_or(url);
        if host.trim_start_matches("amqp://").trim_start_matches("amqps://").starts_with('[') {
            return Err(InvalidUrl("IPv6 literals are not supported, use a host name".to_owned()));
        }
        let mut uri: AMQPUri = url.parse().map_err(|reason: String| {
            let repeats = !url.is_empty() && reason.contains(url);
            InvalidUrl(if repeats { format!("it takes {FORM}") } else { reason })
        })?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        uri.query.connection_timeout.get_or_insert(TCP_CONNECT_MILLIS);
        Ok(Self(uri))
    }

    pub(super) fn uri(&self) -> AMQPUri {
        self.0.clone()
    }

    /// The user the broker knows us as.
    pub(super) fn user(&self) -> &str {
        &self.0.authority.userinfo.username
    }

    /// The virtual host.
    pub(super) fn vhost(&self) -> &str {
        &self.0.vhost
    }

    /// For logs: without user and password.
    pub(super) fn shown(&self) -> String {
        format!("{}:{}/{}", self.0.authority.host, self.0.authority.port, self.0.vhost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_in_what_is_missing_and_keeps_what_is_given() {
        let filled = Address::parse("amqp://a:secret@h:1/v").unwrap();
        assert_eq!(filled.0.query.heartbeat, Some(HEARTBEAT_SECONDS));
        assert_eq!(filled.0.query.connection_timeout, Some(TCP_CONNECT_MILLIS));
        assert_eq!((filled.user(), filled.shown().as_str()), ("a", "h:1/v"));
        let given = Address::parse("amqps://h/%2f?heartbeat=3&connection_timeout=7").unwrap();
        assert_eq!(given.0.query.heartbeat, Some(3));
        assert_eq!(given.0.query.connection_timeout, Some(7));
        assert_eq!(given.shown(), "h:5671//");
    }

    #[test]
    fn refuses_without_repeating_the_password() {
        for url in [
            "",
            "amqp:a:secret@h",
            "http://a:secret@h",
            "amqp://a:secret@h:port/",
            "amqp://a:secret@h/?heartbeat=x",
            "amqp://a:secret@[::1]:5672/",
        ] {
            let error = Address::parse(url).err().expect(url).to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}

//! A message as the bus carries it, whatever the bus is.

use std::{collections::BTreeMap, fmt, str::FromStr};

use bytes::Bytes;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{Timestamp, limits};

/// One message with the AMQP properties we use. Each publish has a `message_id` of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Unique per publish; returns are matched by it.
    pub message_id: Uuid,
    /// The saga's id, as text: what arrives may be anything.
    pub correlation_id: Option<String>,
    /// `{participant}.{action}` on commands and replies.
    pub kind: Option<String>,
    /// Where answers go, for clients that answer through the default exchange.
    pub reply_to: Option<String>,
    /// Who published, as checked by the broker where the publisher set it.
    pub user_id: Option<String>,
    /// When it was published, whole seconds.
    pub timestamp: Option<Timestamp>,
    /// The application headers.
    pub headers: BTreeMap<String, HeaderValue>,
    /// The payload.
    pub body: Bytes,
}

/// What a header may hold; other AMQP types are dropped on receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderValue {
    /// Text.
    Text(String),
    /// Any integer type.
    Number(i64),
}

/// Why a message could not be understood. It is parked with this as the reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The body is larger than the limit.
    #[error("body has {0} bytes, more than the limit of {max}", max = limits::BODY_BYTES_MAX)]
    TooLarge(usize),
    /// A property or header that must be there is not.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A property or header does not have the form it must have.
    #[error("`{field}` is not valid: {reason}")]
    Invalid {
        /// Which property or header.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The body is not the JSON document it must be.
    #[error("body is not valid: {0}")]
    Body(String),
}

impl Message {
    /// An empty message with this body and a new id.
    #[must_use]
    pub fn new(body: Bytes) -> Self {
        Self::with_id(Uuid::now_v7(), body)
    }

    /// An empty message with this body and this id, which nobody else may have used.
    #[must_use]
    pub fn with_id(id: Uuid, body: Bytes) -> Self {
        Self {
            message_id: id,
            correlation_id: None,
            kind: None,
            reply_to: None,
            user_id: None,
            timestamp: None,
            headers: BTreeMap::new(),
            body,
        }
    }

    /// Sets a text header.
    pub fn set(&mut self, name: &'static str, value: impl fmt::Display) {
        self.headers.insert(name.to_owned(), HeaderValue::Text(value.to_string()));
    }

    /// Sets a number header.
    pub fn set_number(&mut self, name: &'static str, value: i64) {
        self.headers.insert(name.to_owned(), HeaderValue::Number(value));
    }

    /// A header as text, numbers written out.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        match self.headers.get(name)? {
            HeaderValue::Text(text) => Some(text.clone()),
            HeaderValue::Number(number) => Some(number.to_string()),
        }
    }

    /// A header parsed into a value.
    ///
    /// # Errors
    /// [`Malformed`] when it is missing or does not parse.
    pub fn parse_header<T>(&self, name: &'static str) -> Result<T, Malformed>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let text = self.header(name).ok_or(Malformed::Missing(name))?;
        text.parse().map_err(|e: T::Err| Malformed::Invalid { field: name, reason: e.to_string() })
    }

    /// The saga this message belongs to.
    ///
    /// # Errors
    /// [`Malformed`] when `correlation_id` is missing or no UUID.
    pub fn saga_id(&self) -> Result<crate::SagaId, Malformed> {
        let field = "correlation_id";
        let text = self.correlation_id.as_deref().ok_or(Malformed::Missing(field))?;
        text.parse().map_err(|e: uuid::Error| Malformed::Invalid { field, reason: e.to_string() })
    }

    /// Refuses a body over the limit.
    ///
    /// # Errors
    /// [`Malformed::TooLarge`].
    pub fn check_size(&self) -> Result<(), Malformed> {
        if self.body.len() > limits::BODY_BYTES_MAX {
            return Err(Malformed::TooLarge(self.body.len()));
        }
        Ok(())
    }
}

/// SHA-256 of a command's body: tells two commands of one identity apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BodyHash([u8; 32]);

impl BodyHash {
    /// The hash of these bytes.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }

    /// The 32 bytes, as stored.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for BodyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for BodyHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "it takes 64 hexadecimal digits";
        if text.len() != 64 || !text.is_ascii() {
            return Err(FORM);
        }
        let mut hash = [0; 32];
        for (byte, digits) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| FORM)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| FORM)?;
        }
        Ok(Self(hash))
    }
}

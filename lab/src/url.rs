//! The little that is needed of URLs: reading and replacing a part.

use std::ops::Range;

/// The same URL with another path: the vhost of a broker, the database of a server. Parameters
/// stay.
pub(crate) fn with_path(url: &str, path: &str) -> String {
    let (base, query) = match url.split_once('?') {
        Some((base, query)) => (base, format!("?{query}")),
        None => (url, String::new()),
    };
    let authority = base.find("://").map_or(0, |at| at + 3);
    let end = base[authority..].find('/').map_or(base.len(), |at| authority + at);
    format!("{}/{path}{query}", &base[..end])
}

/// The same URL at another `host:port`.
pub(crate) fn with_address(url: &str, address: &str) -> String {
    let mut url = url.to_owned();
    if let Some(place) = place_of_address(&url) {
        url.replace_range(place, address);
    }
    url
}

/// The `host:port` of a URL.
pub(crate) fn address(url: &str) -> Option<&str> {
    place_of_address(url).map(|place| &url[place])
}

fn place_of_address(url: &str) -> Option<Range<usize>> {
    let begin = url.find("://")? + 3;
    let end = url[begin..].find(['/', '?']).map_or(url.len(), |at| begin + at);
    let begin = url[begin..end].rfind('@').map_or(begin, |at| begin + at + 1);
    url[begin..end].contains(':').then_some(begin..end)
}

/// The user name in a URL.
pub(crate) fn user(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split(['/', '?']).next()?;
    let (userinfo, _) = authority.rsplit_once('@')?;
    userinfo.split(':').next().filter(|user| !user.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_the_path_and_nothing_else() {
        for (url, expected) in [
            ("amqp://a:b@h:1", "amqp://a:b@h:1/x"),
            ("amqp://a:b@h:1/%2f?heartbeat=10", "amqp://a:b@h:1/x?heartbeat=10"),
            ("postgres://h/db?host=/run/pg", "postgres://h/x?host=/run/pg"),
        ] {
            assert_eq!(with_path(url, "x"), expected);
        }
    }

    #[test]
    fn replaces_the_address_and_nothing_else() {
        for (url, old, expected) in [
            ("amqp://a:b@h:1", Some("h:1"), "amqp://a:b@x:2"),
            ("amqp://h:1/v?heartbeat=10", Some("h:1"), "amqp://x:2/v?heartbeat=10"),
            ("postgres://a@h:1/db", Some("h:1"), "postgres://a@x:2/db"),
            ("postgres://h/db", None, "postgres://h/db"),
        ] {
            assert_eq!(address(url), old);
            assert_eq!(with_address(url, "x:2"), expected);
        }
    }

    #[test]
    fn reads_the_user() {
        assert_eq!(user("amqp://guest:p@h:1/v"), Some("guest"));
        assert_eq!(user("amqp://h:1/v"), None);
    }
}

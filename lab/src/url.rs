//! The little that is needed of URLs: replacing the path.

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
    fn reads_the_user() {
        assert_eq!(user("amqp://guest:p@h:1/v"), Some("guest"));
        assert_eq!(user("amqp://h:1/v"), None);
    }
}

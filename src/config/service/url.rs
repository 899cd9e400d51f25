use std::fmt;
use std::str::FromStr;

use crate::config::text::read_text;

/// An address of the web: `https://…` or `http://…`, without credentials.
#[derive(Clone, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct WebUrl(String);

impl WebUrl {
    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether what is sent there is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.0.starts_with("https://")
    }

    /// The address up to its host and port: paths may be secrets.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.split('/').take(3).collect::<Vec<_>>().join("/")
    }

    /// The host, without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> String {
        let url = self.0.parse::<http::Uri>().ok();
        let host = url.as_ref().and_then(http::Uri::host).unwrap_or_default();
        host.trim_matches(['[', ']']).to_owned()
    }

    /// The address with another path behind its own, before its query.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        let (before, query) = match self.0.split_once('?') {
            Some((before, query)) => (before, format!("?{query}")),
            None => (self.0.as_str(), String::new()),
        };
        format!("{}/{}{query}", before.trim_end_matches('/'), path.trim_start_matches('/'))
    }
}

impl fmt::Debug for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/…", self.origin())
    }
}

impl FromStr for WebUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || URL.to_owned();
        let has_scheme = text.starts_with("https://") || text.starts_with("http://");
        let url: http::Uri = text.parse().map_err(|_| wrong())?;
        let authority = url.authority().filter(|_| has_scheme).ok_or_else(wrong)?;
        if authority.host().is_empty() || text.contains('#') {
            return Err(wrong());
        }
        if authority.as_str().contains('@') {
            return Err("a URL without a user name or password".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

const URL: &str = "a URL that begins with https:// or http://";

read_text!(WebUrl, URL, "https://orgtrail.example.com");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_scheme_a_host_and_no_credentials() {
        for text in ["https://a.example", "http://127.0.0.1:9093/x?y=z", "https://[::1]/"] {
            assert!(text.parse::<WebUrl>().is_ok(), "{text}");
        }
        for text in
            ["", "a.example", "ftp://a", "https://", "https:///x", "https://u:p@a/", "https://a/#b"]
        {
            assert!(text.parse::<WebUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_is_added_before_the_query() {
        let join = |url: &str, path| url.parse::<WebUrl>().unwrap().join(path);
        assert_eq!(join("https://a.example", "/b/c"), "https://a.example/b/c");
        assert_eq!(join("https://a.example/x/?k=v", "b"), "https://a.example/x/b?k=v");
    }

    #[test]
    fn no_debug_output_shows_a_path() {
        let url: WebUrl = "https://hooks.example:8443/services/T0/B0/secret".parse().unwrap();
        assert_eq!(format!("{url:?}"), "https://hooks.example:8443/…");
        assert_eq!(url.host(), "hooks.example");
        assert_eq!("http://[::1]:1/".parse::<WebUrl>().unwrap().host(), "::1");
    }
}

//! The parameters of pages, and links with parameters.

use form_urlencoded::Serializer;

/// The parameters of a request. Names that a page does not know are ignored; of several
/// values of one name, the first counts.
#[derive(Debug, Clone, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// The parameters after the `?`.
    pub(super) fn of(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        Self(pairs.into_owned().collect())
    }

    /// A parameter that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| key == name)?;
        Some(value.trim()).filter(|value| !value.is_empty())
    }

    /// The number of the page, from 1.
    pub(super) fn page(&self) -> usize {
        self.get("page").and_then(|page| page.parse().ok()).unwrap_or(1).max(1)
    }

    /// A link to a path with the same parameters, of which `changed` are other ones; those
    /// with an empty value are left out.
    pub(super) fn link(&self, path: &str, known: &[&str], changed: &[(&str, &str)]) -> String {
        let kept = known.iter().filter(|name| changed.iter().all(|(key, _)| key != *name));
        let kept = kept.filter_map(|name| Some((*name, self.get(name)?)));
        link(path, kept.chain(changed.iter().copied()))
    }
}

/// A link to a path with parameters; those with an empty value are left out.
pub(super) fn link<'a>(
    path: &str,
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(parameters.into_iter().filter(|(_, value)| !value.is_empty()));
    match query.finish() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

/// A part of a list, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// The number of the page, from 1.
    pub page: usize,
    /// How many pages there are, at least 1.
    pub pages: usize,
    /// The position of its first item.
    pub from: usize,
    /// The position after its last item.
    pub to: usize,
}

impl Part {
    /// The page of a list. A page after the last one is the last one.
    pub(super) fn of(query: &Query, items: usize, on_page: usize) -> Self {
        let pages = items.div_ceil(on_page).max(1);
        let page = query.page().min(pages);
        let from = (page - 1) * on_page;
        Self { page, pages, from, to: (from + on_page).min(items) }
    }

    /// The items of the page.
    pub(super) fn slice<'a, T>(&self, items: &'a [T]) -> &'a [T] {
        items.get(self.from..self.to).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_known_parameters_and_encode_them() {
        let query = Query::of(Some("ou=A+%2F+B&state=&x=1&ou=other&page=0"));
        assert_eq!(query.get("ou"), Some("A / B"));
        assert_eq!((query.get("state"), query.page()), (None, 1));
        let link = query.link("/coverage", &["ou", "state", "page"], &[("page", "2")]);
        assert_eq!(link, "/coverage?ou=A+%2F+B&page=2");
        assert_eq!(query.link("/coverage", &["state"], &[("page", "")]), "/coverage");
    }

    #[test]
    fn pages_beyond_the_end_are_the_last_one() {
        let part = |page: &str, items| Part::of(&Query::of(Some(page)), items, 100);
        assert_eq!(part("", 0), Part { page: 1, pages: 1, from: 0, to: 0 });
        assert_eq!(part("page=2", 250), Part { page: 2, pages: 3, from: 100, to: 200 });
        assert_eq!(part("page=99999999999999999999", 250).page, 1);
        assert_eq!(part("page=99", 250), Part { page: 3, pages: 3, from: 200, to: 250 });
        assert_eq!(part("page=99", 250).slice(&[0; 250]).len(), 50);
    }
}

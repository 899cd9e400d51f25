//! Responses of the Query protocol.

use std::str::Utf8Error;

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;
use quick_xml::reader::Reader;

/// No document of AWS is nested deeper.
const MAX_DEPTH: usize = 64;

/// An element of a response, without its attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct XmlElement {
    name: String,
    content: String,
    children: Vec<Self>,
}

/// A response that is not the XML that it should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum XmlError {
    /// It is not well-formed.
    #[error("the response is not XML")]
    Malformed(#[from] quick_xml::Error),
    /// It is not UTF-8.
    #[error("the response is not UTF-8")]
    Encoding(#[from] Utf8Error),
    /// It ends in the middle of an element, or has none.
    #[error("the response is incomplete")]
    Incomplete,
    /// It has too many levels.
    #[error("the response is nested too deep")]
    TooDeep,
    /// It refers to an entity that XML does not define.
    #[error("the response has the unknown entity `{0}`")]
    Entity(String),
}

impl XmlElement {
    /// Reads a document: its root.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, XmlError> {
        let mut reader = Reader::from_str(std::str::from_utf8(bytes)?);
        // The last one is open; the first one has the root as its child.
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event()? {
                Event::Start(start) => {
                    if open.len() > MAX_DEPTH {
                        return Err(XmlError::TooDeep);
                    }
                    open.push(Self::named(start.local_name().as_ref())?);
                }
                Event::Empty(empty) => {
                    let element = Self::named(empty.local_name().as_ref())?;
                    if let Some(parent) = open.last_mut() {
                        parent.children.push(element);
                    }
                }
                Event::End(_) => {
                    let ended = open.pop();
                    match (ended, open.last_mut()) {
                        (Some(ended), Some(parent)) => parent.children.push(ended),
                        _ => return Err(XmlError::Incomplete),
                    }
                }
                Event::Text(text) => Self::add(&mut open, std::str::from_utf8(&text)?),
                Event::CData(text) => Self::add(&mut open, std::str::from_utf8(&text)?),
                Event::GeneralRef(entity) => {
                    let name = std::str::from_utf8(&entity)?;
                    if let Some(character) = entity.resolve_char_ref()? {
                        Self::add(&mut open, character.encode_utf8(&mut [0; 4]));
                    } else {
                        let known = resolve_predefined_entity(name);
                        let known = known.ok_or_else(|| XmlError::Entity(name.to_owned()))?;
                        Self::add(&mut open, known);
                    }
                }
                Event::Eof => break,
                Event::Comment(_) | Event::Decl(_) | Event::DocType(_) | Event::PI(_) => {}
            }
        }
        let [whole] = open.as_mut_slice() else { return Err(XmlError::Incomplete) };
        whole.children.pop().ok_or(XmlError::Incomplete)
    }

    fn named(name: &[u8]) -> Result<Self, XmlError> {
        Ok(Self { name: std::str::from_utf8(name)?.to_owned(), ..Self::default() })
    }

    fn add(open: &mut [Self], text: &str) {
        if let Some(element) = open.last_mut() {
            element.content.push_str(text);
        }
    }

    /// The first child of a name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    pub(super) fn into_child(self, name: &str) -> Option<Self> {
        self.children.into_iter().find(|child| child.name == name)
    }

    /// The text of a child; absent if there is none or it is empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.content.trim()).filter(|text| !text.is_empty())
    }

    /// The text of this element.
    #[must_use]
    pub fn content(&self) -> &str {
        self.content.trim()
    }

    /// The items of a list: the `<member>`s of a child.
    pub fn members(&self, name: &str) -> impl Iterator<Item = &Self> {
        let list = self.child(name).into_iter().flat_map(|list| &list.children);
        list.filter(|item| item.name == "member")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_read_with_its_lists_and_escaped_text() {
        let text = "<?xml version=\"1.0\"?><R xmlns=\"ns\">\n  <Stacks><member><Name>a&lt;b&#x31;&amp;\
                    </Name></member><member><Name><![CDATA[<c>]]></Name><Empty/></member></Stacks></R>";
        let root = XmlElement::parse(text.as_bytes()).unwrap();
        let names: Vec<_> = root.members("Stacks").map(|stack| stack.text("Name")).collect();
        assert_eq!(names, [Some("a<b1&"), Some("<c>")]);
        assert_eq!(root.members("Stacks").nth(1).unwrap().text("Empty"), None);
        assert_eq!(root.members("Others").count(), 0);
    }

    #[test]
    fn what_is_cut_off_nested_too_deep_or_not_xml_is_refused() {
        let deep = format!("{}{}", "<a>".repeat(100), "</a>".repeat(100));
        for text in ["", "{}", "<a><b></b>", "<a>&nbsp;</a>", "<a></b>", &deep] {
            assert!(XmlElement::parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(XmlElement::parse(b"<a>\xff</a>").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            drop(XmlElement::parse(&bytes));
        }
    }
}

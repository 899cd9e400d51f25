//! Inflating one gzip member, and nothing but one: bounded, whole, with nothing
//! after its end.

use flate2::{Decompress, FlushDecompress, Status};

/// Units: bytes.
const BUFFER: usize = 128 * 1024;
/// The largest window that gzip can ask for, as a power of two.
const WINDOW_BITS: u8 = 15;
const MEMBER_HEADER: [u8; 3] = [0x1f, 0x8b, 8];

/// Why bytes are not one whole gzip member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GzipError {
    /// The stream is damaged, or is no gzip stream.
    #[error("the gzip stream is damaged after {inflated} inflated bytes")]
    Corrupt {
        /// How much could be inflated before.
        inflated: u64,
    },
    /// The stream ends before its end.
    #[error("the gzip stream ends early, after {inflated} inflated bytes")]
    Truncated {
        /// How much could be inflated before.
        inflated: u64,
    },
    /// A second gzip member follows the first.
    #[error("{bytes} bytes of a further gzip member follow the first")]
    AppendedMember {
        /// How much follows.
        bytes: usize,
    },
    /// Something follows the member.
    #[error("{bytes} bytes follow the end of the gzip stream")]
    TrailingData {
        /// How much follows.
        bytes: usize,
    },
    /// The stream inflates to more than is accepted.
    #[error("the gzip stream inflates to more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
}

/// Inflates one gzip member into `sink`, piece by piece, and returns how many
/// bytes it held.
///
/// `buffer` is scratch space that is grown once and can be used again.
pub fn inflate(
    gzip: &[u8],
    limit: u64,
    buffer: &mut Vec<u8>,
    mut sink: impl FnMut(&[u8]),
) -> Result<u64, GzipError> {
    buffer.resize(BUFFER, 0);
    let mut stream = Decompress::new_gzip(WINDOW_BITS);
    let mut rest = gzip;
    loop {
        let (read_before, inflated) = (stream.total_in(), stream.total_out());
        let status = stream
            .decompress(rest, buffer, FlushDecompress::None)
            .map_err(|_| GzipError::Corrupt { inflated })?;
        let read = to_usize(stream.total_in() - read_before);
        let written = to_usize(stream.total_out() - inflated);
        rest = rest.get(read..).unwrap_or_default();
        if stream.total_out() > limit {
            return Err(GzipError::TooLarge { limit });
        }
        sink(buffer.get(..written).unwrap_or_default());
        match status {
            Status::StreamEnd => break,
            // Nothing to read and nothing written: it waits for more.
            _ if read == 0 && written == 0 => {
                let inflated = stream.total_out();
                return Err(GzipError::Truncated { inflated });
            }
            Status::Ok | Status::BufError => {}
        }
    }
    match rest {
        [] => Ok(stream.total_out()),
        _ if rest.starts_with(&MEMBER_HEADER) => {
            Err(GzipError::AppendedMember { bytes: rest.len() })
        }
        _ => Err(GzipError::TrailingData { bytes: rest.len() }),
    }
}

/// Lengths within a buffer fit; the conversion cannot fail.
fn to_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn inflated(gzip: &[u8], limit: u64) -> Result<Vec<u8>, GzipError> {
        let mut bytes = Vec::new();
        let length = inflate(gzip, limit, &mut Vec::new(), |piece| bytes.extend_from_slice(piece))?;
        assert_eq!(length, bytes.len() as u64);
        Ok(bytes)
    }

    #[test]
    fn a_member_longer_than_the_buffer_is_read_whole() {
        let bytes: Vec<u8> = (0..BUFFER * 3 + 7).map(|i| (i * i).to_le_bytes()[1]).collect();
        assert_eq!(inflated(&gzip(&bytes), 1 << 30), Ok(bytes));
        assert_eq!(inflated(&gzip(b""), 0), Ok(Vec::new()));
    }

    #[test]
    fn what_follows_the_member_is_refused() {
        let one = gzip(b"{}");
        let two = [&one[..], &one].concat();
        assert_eq!(inflated(&two, 99), Err(GzipError::AppendedMember { bytes: one.len() }));
        let more = [&one[..], b"\0"].concat();
        assert_eq!(inflated(&more, 99), Err(GzipError::TrailingData { bytes: 1 }));
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![0; 8 << 20]);
        assert!(bomb.len() < 16 << 10);
        let mut largest = 0;
        let refused = inflate(&bomb, 1 << 20, &mut Vec::new(), |piece| largest += piece.len());
        assert_eq!(refused, Err(GzipError::TooLarge { limit: 1 << 20 }));
        assert!(largest <= 1 << 20);
    }

    #[test]
    fn every_cut_is_noticed() {
        let whole = gzip(b"a text of some length, to be cut at every place");
        for length in 0..whole.len() {
            let cut = inflated(&whole[..length], 99);
            assert!(matches!(cut, Err(GzipError::Truncated { .. })), "{length}: {cut:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_pass_the_limit(bytes in any::<Vec<u8>>(), head in any::<bool>()) {
            let mut all = if head { gzip(b"x")[..10].to_vec() } else { Vec::new() };
            all.extend(bytes);
            if let Ok(read) = inflated(&all, 4096) {
                prop_assert!(read.len() <= 4096);
            }
        }
    }
}

use std::fmt::Write as _;

use indicatif::HumanBytes;

use super::timeline::{copies_of, files_read, incomplete, proof_lines};
use crate::events::export::Exported;
use crate::printable::plain;
use crate::words::counted;

/// What an export wrote, and what it could not, in a few lines.
#[must_use]
pub fn export_text(exported: &Exported) -> String {
    let Exported { written, coverage, .. } = exported;
    let mut text = String::new();
    let copies = match written.copies {
        0 => String::new(),
        copies => format!(" ({} left out)", copies_of(copies)),
    };
    let _ =
        writeln!(text, "{}{copies} from {}", counted(written.rows, "event"), files_read(coverage));
    let replaced = match written.replaced {
        0 => String::new(),
        replaced => format!(" ({} replaced)", counted(replaced, "day")),
    };
    let _ = writeln!(
        text,
        "written: {} of an account and Region{replaced}, {}, {}; unchanged: {}",
        counted(written.days, "day"),
        counted(written.files, "file"),
        HumanBytes(written.bytes),
        counted(written.unchanged, "day"),
    );
    let _ = writeln!(text, "from {} to {}", plain(&exported.place), plain(&exported.to));
    let _ = writeln!(
        text,
        "last day: {}; a day is exported two hours after its end",
        exported.last_day
    );
    if written.late > 0 {
        let _ = writeln!(
            text,
            "{} delivered too late for the file of their day, in files beside it",
            counted(written.late, "event")
        );
    }
    if written.differing > 0 {
        let _ = writeln!(
            text,
            "NOT WRITTEN: {} whose files differ from what would be written: `--replace` \
             replaces them",
            counted(written.differing, "day")
        );
        names(&mut text, &written.first_differing);
    }
    if written.held_back > 0 {
        let _ = writeln!(
            text,
            "INCOMPLETE: {} left out, because a log file could not be fetched",
            counted(written.held_back, "day")
        );
        names(&mut text, &written.first_held_back);
    }
    text.push_str(&incomplete(coverage));
    if exported.was_stopped {
        text.push_str("INCOMPLETE: the export was stopped; the next one continues it\n");
    }
    text.push_str(&proof_lines(exported.proof.as_ref()));
    text
}

fn names(text: &mut String, folders: &[String]) {
    for folder in folders {
        let _ = writeln!(text, "  {}", plain(folder));
    }
}

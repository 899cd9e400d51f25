use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufWriter, Write};

use aws_lc_rs::digest::{Context, SHA256};
use orgtrail_events::Event;
use orgtrail_events::attribution::{Origin, Strength, named_in_record};

use super::manifest::FORMAT_VERSION;
use super::{
    Destination, ExportFile, ExportManifest, ExportedEvent, Format, ManifestFile, ManifestSource,
    OcsfClass, Person, ProofWord, Row, SCHEMA_VERSION, Scratch, Unit, UnitError, UnitRows,
};
use crate::events::answer::Proof;
use crate::events::files::LogFile;
use crate::local_file::Partial;

/// A unit as files.
#[derive(Debug)]
pub struct Encoded {
    /// What they contain.
    pub unit: Unit,
    /// The files, in order.
    pub parts: Vec<EncodedPart>,
    /// What is written after them.
    pub manifest: ExportManifest,
    /// How its events are proven.
    pub proven: ProvenEvents,
}

/// How events are proven, if that was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProvenEvents {
    /// Events in files that a verified digest lists as they are.
    pub proven: u64,
    /// Events in files that no verified digest lists.
    pub unproven: u64,
    /// Events in files that differ from what their digest lists.
    pub contradicted: u64,
}

impl ProvenEvents {
    fn add(&mut self, proof: Option<Proof>) {
        match proof {
            Some(Proof::Proven) => self.proven += 1,
            Some(Proof::Unproven) => self.unproven += 1,
            Some(Proof::Contradicted) => self.contradicted += 1,
            None => {}
        }
    }
}

/// A file that has no name yet.
#[derive(Debug)]
pub struct EncodedPart {
    /// Its name.
    pub name: String,
    /// The class of its events, if files have events of one class each.
    pub class: Option<OcsfClass>,
    /// Its bytes.
    pub file: Partial,
    /// Their SHA-256.
    pub sha256: [u8; 32],
    /// Their length.
    pub size_bytes: u64,
    /// The events in it.
    pub rows: u64,
}

/// Sorts the records of a unit and writes its files, a new one after each `part_bytes` of
/// records. Blocks.
///
/// # Errors
/// A file could not be written, or the temporary directory is full.
pub fn encode(
    unit: Unit,
    rows: UnitRows,
    format: Format,
    part_bytes: u64,
    proof_of: &dyn Fn(&LogFile) -> Option<Proof>,
    destination: &Destination,
    scratch: &Scratch,
) -> Result<Encoded, UnitError> {
    let UnitRows { sorter, files, .. } = rows;
    let proofs: HashMap<&str, Option<Proof>> =
        files.iter().map(|(it, _)| (it.file.key.as_str(), proof_of(&it.file))).collect();
    // Of each class, if files have events of one class each.
    let mut open: BTreeMap<Option<OcsfClass>, Part> = BTreeMap::new();
    let mut parts: Vec<EncodedPart> = Vec::new();
    let (mut count, mut copies, mut proven) = (0, 0, ProvenEvents::default());
    let mut before: Option<Row> = None;
    for row in sorter.finish().map_err(UnitError::Sort)? {
        let row = row.map_err(UnitError::Sort)?;
        if before.as_ref().is_some_and(|before| row.is_copy_of(before)) {
            copies += 1;
            continue;
        }
        // It was parsed before.
        let event = Event::parse(&row.raw).unwrap_or_default();
        let mut exported = ExportedEvent::new(event, &row.key);
        exported.event.raw = &row.raw;
        exported.account = unit.account.as_ref().map(crate::names::AccountId::as_str);
        exported.region = unit.region.as_ref().map(crate::names::Region::as_str);
        let proof = proofs.get(&*row.key).copied().flatten();
        proven.add(proof);
        exported.proof = proof.map(Proof::as_str);
        let person = named_in_record(&exported.event);
        let person = person.as_ref().and_then(Origin::unique_id).map(|(_, id)| id);
        let strength = Strength::Proven.as_str();
        exported.person = person.map(|principal| Person { principal, strength });
        let class = format.class(&exported);
        let mut part = if let Some(part) = open.remove(&class) {
            part
        } else {
            let earlier = parts.iter().filter(|part| part.class == class).count();
            let name = unit.file_name(earlier, format.extension());
            let folder = Destination::files_folder(format, &unit, class);
            let file = destination.partial(&format!("{folder}{name}"), scratch)?;
            let file = ExportFile::new(format, class, Hashed::new(file))?;
            Part { name, class, file, rows: 0, raw_bytes: 0 }
        };
        part.file.write(&exported)?;
        drop(exported);
        part.rows += 1;
        part.raw_bytes += row.raw.len() as u64;
        count += 1;
        if part.raw_bytes >= part_bytes {
            parts.push(part.finish()?);
        } else {
            open.insert(class, part);
        }
        before = Some(row);
    }
    for part in open.into_values() {
        parts.push(part.finish()?);
    }
    drop(proofs);
    let sources = files.into_iter().map(|(result, rows)| {
        let proof = proof_of(&result.file).map(ProofWord::from);
        ManifestSource {
            key: result.file.key.clone(),
            sha256: result.sha256,
            size_bytes: result.file.size_bytes,
            records: result.records,
            malformed_records: result.malformed,
            rows,
            proof,
            fault: result.fault.map(|fault| fault.to_string()),
        }
    });
    let mut sources: Vec<ManifestSource> = sources.collect();
    sources.sort_by(|a, b| a.key.cmp(&b.key));
    let manifest = ExportManifest {
        version: FORMAT_VERSION,
        account: unit.account.clone(),
        region: unit.region.clone(),
        day: unit.day,
        delivered_on: unit.late,
        format: format.as_str().to_owned(),
        schema_version: SCHEMA_VERSION,
        rows: count,
        copies,
        files: parts.iter().map(EncodedPart::in_manifest).collect(),
        sources,
    };
    Ok(Encoded { unit, parts, manifest, proven })
}

impl EncodedPart {
    fn in_manifest(&self) -> ManifestFile {
        ManifestFile {
            name: self.name.clone(),
            class_uid: self.class.map(OcsfClass::uid),
            sha256: hex::encode(self.sha256),
            size_bytes: self.size_bytes,
            rows: self.rows,
        }
    }
}

struct Part {
    name: String,
    class: Option<OcsfClass>,
    file: ExportFile<Hashed>,
    rows: u64,
    raw_bytes: u64,
}

impl Part {
    fn finish(self) -> Result<EncodedPart, UnitError> {
        let Self { name, class, file, rows, .. } = self;
        let Hashed { file, hash, size_bytes } = file.finish()?;
        let file = file.into_inner().map_err(|error| UnitError::Sort(error.into_error()))?;
        let sha256 = hash.finish().as_ref().try_into().unwrap_or_default();
        Ok(EncodedPart { name, class, file, sha256, size_bytes, rows })
    }
}

/// A file whose bytes are hashed while they are written.
struct Hashed {
    file: BufWriter<Partial>,
    hash: Context,
    size_bytes: u64,
}

impl Hashed {
    fn new(file: Partial) -> Self {
        let file = BufWriter::with_capacity(256 << 10, file);
        Self { file, hash: Context::new(&SHA256), size_bytes: 0 }
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        let bytes = bytes.get(..written).unwrap_or_default();
        self.hash.update(bytes);
        self.size_bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

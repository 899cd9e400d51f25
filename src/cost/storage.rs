//! Objects by storage class, and their cost per month.

use std::collections::BTreeMap;

use super::Usd;
use super::prices::{self, StoragePrice};
use crate::archive::inventory::whole;
use crate::aws::{At, AwsError, Clients};
use crate::names::BucketName;

/// Objects below this are not watched by Intelligent-Tiering. Units: bytes.
const WATCHED_FROM: u64 = 128 << 10;

/// Objects, by their storage class.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredTotals(pub BTreeMap<String, ClassTotals>);

/// Objects of one storage class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClassTotals {
    /// How many.
    pub objects: u64,
    /// Their size. Units: bytes.
    pub bytes: u64,
    /// What is charged as their class: small ones count as larger, archived
    /// ones have an index. Units: bytes.
    pub charged_bytes: u64,
    /// What is also charged, as `STANDARD`. Units: bytes.
    pub charged_standard_bytes: u64,
    /// How many of them Intelligent-Tiering watches.
    pub watched: u64,
}

impl ClassTotals {
    fn add(&mut self, size: u64, price: Option<&StoragePrice>) {
        self.objects += 1;
        self.bytes += size;
        let Some(price) = price else { return };
        self.charged_bytes += size.max(price.least_bytes) + price.added_bytes;
        self.charged_standard_bytes += price.added_standard_bytes;
        self.watched += u64::from(price.thousand_watched > 0.0 && size >= WATCHED_FROM);
    }

    /// The same, for `of` days where `days` of them were looked at.
    fn scaled(self, of: u64, days: u64) -> Self {
        let scale = |count: u64| {
            let scaled = u128::from(count) * u128::from(of) / u128::from(days.max(1));
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        Self {
            objects: scale(self.objects),
            bytes: scale(self.bytes),
            charged_bytes: scale(self.charged_bytes),
            charged_standard_bytes: scale(self.charged_standard_bytes),
            watched: scale(self.watched),
        }
    }
}

impl std::ops::AddAssign for ClassTotals {
    fn add_assign(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.charged_bytes += other.charged_bytes;
        self.charged_standard_bytes += other.charged_standard_bytes;
        self.watched += other.watched;
    }
}

impl std::ops::AddAssign for StoredTotals {
    fn add_assign(&mut self, other: Self) {
        for (class, totals) in other.0 {
            *self.0.entry(class).or_default() += totals;
        }
    }
}

impl StoredTotals {
    /// Counts one object.
    pub fn add(&mut self, class: &str, size: u64) {
        self.0.entry(class.to_owned()).or_default().add(size, prices::storage(class));
    }

    /// How many objects.
    #[must_use]
    pub fn objects(&self) -> u64 {
        self.0.values().map(|totals| totals.objects).sum()
    }

    /// Their size. Units: bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.values().map(|totals| totals.bytes).sum()
    }

    /// The same, for `of` days where `days` of them were looked at.
    #[must_use]
    pub fn scaled(self, of: u64, days: u64) -> Self {
        Self(self.0.into_iter().map(|(class, totals)| (class, totals.scaled(of, days))).collect())
    }

    /// What each class costs a month.
    #[must_use]
    pub fn costs(&self) -> Vec<ClassCost> {
        self.0.iter().map(|(class, totals)| ClassCost::new(class, *totals)).collect()
    }

    /// What all of it costs a month, as far as its classes have a price.
    #[must_use]
    pub fn usd_a_month(&self) -> Usd {
        self.costs().iter().filter_map(|cost| cost.usd_a_month).sum()
    }

    /// What all of it would cost a month as another class.
    #[must_use]
    pub fn usd_a_month_as(&self, price: &StoragePrice) -> Usd {
        // Only its sum is known, so the least that an object counts as is not.
        Usd::of_bytes(self.bytes() + self.objects() * price.added_bytes, price.gb_month)
            + Usd::of_bytes(self.objects() * price.added_standard_bytes, standard().gb_month)
    }
}

fn standard() -> &'static StoragePrice {
    &prices::STORAGE[0]
}

/// What the objects of one storage class cost.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassCost {
    /// The class.
    pub class: String,
    /// Its objects.
    pub totals: ClassTotals,
    /// What they cost a month; `None` for a class without a known price.
    pub usd_a_month: Option<Usd>,
}

impl ClassCost {
    fn new(class: &str, totals: ClassTotals) -> Self {
        let usd_a_month = prices::storage(class).map(|price| {
            Usd::of_bytes(totals.charged_bytes, price.gb_month)
                + Usd::of_bytes(totals.charged_standard_bytes, standard().gb_month)
                + Usd::of(totals.watched, price.thousand_watched, 1000)
        });
        Self { class: class.to_owned(), totals, usd_a_month }
    }
}

/// Lists everything below a prefix, and calls `seen` with the key, storage class and size of
/// each object. Holds one page.
pub async fn stored_totals(
    clients: &Clients,
    bucket: &BucketName,
    prefix: &str,
    mut seen: impl FnMut(&str, &str, u64),
) -> Result<StoredTotals, AwsError> {
    let mut stored_totals = StoredTotals::default();
    let mut token = None;
    loop {
        let page = clients
            .s3()
            .list_objects_v2()
            .bucket(bucket.as_str())
            .prefix(prefix)
            .set_continuation_token(token)
            .send()
            .await
            .at(clients, "s3:ListBucket")
            .and_then(|page| whole(clients, page))?;
        for object in page.contents() {
            let class = object.storage_class().map_or("STANDARD", |class| class.as_str());
            let size = object.size().and_then(|s| u64::try_from(s).ok()).unwrap_or(0);
            stored_totals.add(class, size);
            seen(object.key().unwrap_or_default(), class, size);
        }
        token = page.next_continuation_token().map(str::to_owned);
        if token.is_none() {
            return Ok(stored_totals);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: Usd, wanted: f64) {
        assert!((found.0 - wanted).abs() < 1e-9, "{found:?}, expected {wanted}");
    }

    #[test]
    fn small_objects_count_as_larger_ones() {
        let mut small = StoredTotals::default();
        for _ in 0..8192 {
            small.add("STANDARD_IA", 1000);
        }
        // As if they were 128 KB each: 1 GB.
        close(small.usd_a_month(), 0.0125);
        let mut archived = StoredTotals::default();
        for _ in 0..32768 {
            archived.add("DEEP_ARCHIVE", 0);
        }
        // An index of 1 GB, and of 0.25 GB in STANDARD.
        close(archived.usd_a_month(), 0.00099 + 0.023 / 4.0);
    }

    #[test]
    fn a_class_without_a_price_is_not_free() {
        let mut stored_totals = StoredTotals::default();
        stored_totals.add("EXPRESS_ONEZONE", 1 << 30);
        stored_totals.add("STANDARD", 1 << 30);
        assert_eq!(stored_totals.costs()[0].usd_a_month, None);
        close(stored_totals.usd_a_month(), 0.023);
    }

    #[test]
    fn a_sample_stands_for_all_days() {
        let mut sample = StoredTotals::default();
        sample.add("STANDARD", 100);
        assert_eq!((sample.clone().scaled(9, 3).objects(), sample.scaled(9, 3).bytes()), (3, 300));
        assert_eq!(StoredTotals::default().scaled(9, 0), StoredTotals::default());
    }
}

//! Costs: one dated table of prices, and the estimates made with it.

pub mod athena;
pub mod consolidation;
pub mod duplicates;
pub mod prices;
pub mod storage;

/// US dollars.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
pub struct Usd(pub f64);

impl From<Usd> for f64 {
    fn from(usd: Usd) -> Self {
        usd.0
    }
}

impl std::ops::Add for Usd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::iter::Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), std::ops::Add::add)
    }
}

impl std::fmt::Display for Usd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0 > 0.0 && self.0 < 0.01 {
            return f.pad("<$0.01");
        }
        f.pad(&format!("${:.2}", self.0))
    }
}

impl Usd {
    /// `quantity` things at a price for so many of them.
    #[expect(clippy::cast_precision_loss, reason = "cents do not matter beyond 2^52 units")]
    pub(crate) fn of(quantity: u64, price: f64, for_each: u64) -> Self {
        Self(quantity as f64 / for_each as f64 * price)
    }

    /// `bytes` at a price for a GB of 2^30 bytes, as S3 counts them.
    pub(crate) fn of_bytes(bytes: u64, price: f64) -> Self {
        Self::of(bytes, price, 1 << 30)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_sums_are_not_shown_as_nothing() {
        for (usd, shown) in
            [(0.0, "$0.00"), (0.002, "<$0.01"), (0.01, "$0.01"), (1234.567, "$1234.57")]
        {
            assert_eq!(Usd(usd).to_string(), shown);
        }
    }

    #[test]
    fn quantities_are_priced_by_their_unit() {
        assert_eq!(Usd::of(250_000, 2.0, 100_000), Usd(5.0));
        assert_eq!(Usd::of_bytes(3 << 30, 0.5), Usd(1.5));
    }
}

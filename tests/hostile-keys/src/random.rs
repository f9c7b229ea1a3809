//! Random numbers that are the same in every run.

/// SplitMix64. Not for secrets.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From `KEYWRIGHT_SEED`, or always the same. Says which, so that what was found can be found again.
    pub fn seeded(what: &str) -> Self {
        let seed = std::env::var("KEYWRIGHT_SEED")
            .ok()
            .and_then(|seed| seed.parse().ok())
            .unwrap_or(0x0012_05B8_AC4E_2D01);
        println!("{what}: KEYWRIGHT_SEED={seed}");
        Self(seed)
    }

    /// Others, the same for the same number.
    #[must_use]
    pub fn share(&self, number: u64) -> Self {
        let mut share = Self(self.0 ^ (number + 1).wrapping_mul(0xA076_1D64_78BD_642F));
        share.bits();
        share
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Less than `limit`, which must not be zero.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.bits() % limit as u64) as usize
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// A random byte.
    pub fn byte(&mut self) -> u8 {
        self.bits() as u8
    }

    /// Fills the whole slice.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let bits = self.bits().to_le_bytes();
            chunk.copy_from_slice(&bits[..chunk.len()]);
        }
    }
}

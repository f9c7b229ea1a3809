use super::Check;

pub(super) const ROWS: &[Check] = &[];

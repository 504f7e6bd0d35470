//! The plan of a workspace, and how much of it each month has used.

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::domain::plan::Entitlement;
use crate::store::record::{Row, Scoped};
use crate::store::schema::Table;

impl Row for Entitlement {
    type Key = ();
    const TABLE: Table = Table::Entitlements;
    const VERSION: u8 = 1;
}

impl Scoped for Entitlement {}

/// Posts that are due in a month and count there; under the month's first instant in UTC. There is
/// no row for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub posts: u64,
}

impl Row for Usage {
    type Key = Timestamp;
    const TABLE: Table = Table::Usage;
    const VERSION: u8 = 1;
}

impl Scoped for Usage {}

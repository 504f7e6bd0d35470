//! The plan of a workspace, how much of it each month has used, and what that has cost.

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::domain::cost::Spent;
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

/// Written only by the transaction that notes that a part is out.
impl Row for Spent {
    /// The month's first instant in UTC, and the network's word.
    type Key = (Timestamp, String);
    const TABLE: Table = Table::Costs;
    const VERSION: u8 = 1;
}

impl Scoped for Spent {}

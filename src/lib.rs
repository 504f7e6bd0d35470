//! Carillon, a self-hosted social-media scheduler. The rooms, bottom to top; imports go strictly
//! downward and `tests/tidy` holds the order.

pub mod base;
pub mod outbound;
pub mod vault;

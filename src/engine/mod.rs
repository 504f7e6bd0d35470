//! What happens by itself: the wheel, the scheduler, the publisher, the workers. Must not talk to
//! people.

pub mod wheel;

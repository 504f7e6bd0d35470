//! The generated field table: the document itself says which fields and parameters there are; each
//! is left out, made null, given every other type, pushed over its bounds and filled with hostile
//! text. Nothing is ever a 5xx, and what is refused names exactly the field that was changed.

mod bodies;
mod mutations;
mod parameters;
mod places;

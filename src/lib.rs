//! Carillon, a self-hosted social-media scheduler. One line per room, bottom to top; imports go
//! strictly downward and `tests/tidy` holds the order.

// Words that everybody uses.
pub mod base;

// The rules, pure.
pub mod domain;

// What is seen from outside.
pub mod telemetry;

// What keeps, seals and calls.
pub mod media;
pub mod outbound;
pub mod store;
pub mod vault;

// Social networks.
pub mod networks;

// What people may do.
pub mod service;

// What happens by itself.
pub mod engine;

// Faces, and the networks that are played here.
pub mod console;
pub mod http;
pub mod practice;

// A whole run in one thread.
pub mod simulator;

// Settings.
pub mod config;

// Wiring.
pub mod daemon;

// Commands.
pub mod cli;

//! The resource as users meet it: the generated CRD, the rules that the API server enforces by it, the examples and
//! the reference. What the operator does with an accepted object is tested elsewhere.

mod absence;
mod additive;
mod capture_rules;
mod channel_rules;
mod examples;
mod generated;
mod installed;
mod job_rules;
mod judgement;
mod objects;
mod property;
mod reference;
mod rollback;
mod server;
mod storage_rules;

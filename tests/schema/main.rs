//! The resource as users meet it: the generated CRD, the rules that the API server enforces by it, the examples and
//! the reference. What the operator does with an accepted object is tested elsewhere.

mod generated;

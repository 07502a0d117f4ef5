//! The model of the API server against the real one: the same requests, and every answer compared.

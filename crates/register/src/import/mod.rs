//! Files of people and authorities → requests.

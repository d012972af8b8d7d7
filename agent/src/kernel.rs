//! The only unsafe code of the agent: thin, checked wrappers over netlink sockets.

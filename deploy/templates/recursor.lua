-- Response policy zones that say what they rest on, for PowerDNS Recursor 4.7 to 4.9 (Lua configuration).
--
--   remit-agent template pdns > /etc/powerdns/remit.lua       then adapt it, and in recursor.conf:
--                                                             lua-config-file=/etc/powerdns/remit.lua
--   remit-agent template rpz-zone > /etc/powerdns/national.zone
--   rec_control reload-lua-config
--
-- In agent.toml:
--   [[sources.pdns]]
--   listen = "127.0.0.1:4242"
--   webserver = "127.0.0.1:8082"
--   policies = [
--     { name = "remit=list:national@2026-11", file = "/etc/powerdns/national.zone" },
--   ]
--   canaries = "127.0.0.1:53"
--
-- And in recursor.conf, so that the agent knows whether anything was lost on the way:
--   webserver=yes
--   webserver-address=127.0.0.1
--   webserver-port=8082

-- A policy for each request or list: its name is the claim of its records. Clients that ask for extended
-- errors learn it too.
rpzFile("/etc/powerdns/national.zone", {
    policyName = "remit=list:national@2026-11",
    extendedErrorCode = 15,
    extendedErrorExtra = "list:national@2026-11",
})

-- Answers to which a policy was applied, and no others (taggedOnly): without it every query of every client
-- would be sent. The messages name clients; the agent reads no such field, and listens on this host alone.
-- Nothing is written to a disk on the way. Of rpz-drop nothing is sent: use CNAME . instead.
protobufServer("127.0.0.1:4242", { taggedOnly = true, logQueries = false, logResponses = true })

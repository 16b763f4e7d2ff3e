-- Copyright (c) 2026 The Drover developers
-- GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
-- SPDX-License-Identifier: GPL-3.0-or-later
-- Who leads: the server of the backend "leader" that its check has found up. To HAProxy itself one that no check has asked
-- yet is up, too, and where none is it refuses at once.
local STEP = 200 -- milliseconds

local function leader()
    for name, server in pairs(core.backends["leader"].servers) do
        local seen = server:get_stats()
        if seen.status:sub(1, 2) == "UP" and not seen.check_status:find("INI", 1, true) then
            return name
        end
    end
    return nil
end

-- Sets txn.leader to its name, at once or within the seconds given, or not at all.
core.register_action("find_leader", { "http-req" }, function(transaction, seconds)
    local left = tonumber(seconds) * 1000
    local found = leader()
    while not found and left > 0 do
        core.msleep(STEP)
        left = left - STEP
        found = leader()
    end
    if found then
        transaction:set_var("txn.leader", found)
    end
end, 1)

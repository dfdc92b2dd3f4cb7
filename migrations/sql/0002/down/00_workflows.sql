drop trigger wake_waiting on {schema}.event;
-- What waits for an event, or was paused, would do so for a hundred years: it begins anew.
update {schema}.invocation_state s set due_at = null, previous_status = s.status
where s.status = 'retry' and s.reason in ('event', 'paused') and s.due_at is not null;

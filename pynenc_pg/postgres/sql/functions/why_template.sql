-- The words of each reason; see why_sentence. Internal to why.
create or replace function {schema}.why_template(p_code text) returns text
language plpgsql immutable as $$
begin
    return case p_code
        when 'unknown' then
             'nobody knows it here: it was never called in this app, or the transaction that calls'
             ' it has not committed, or it was purged or is past its retention'
        when 'ended' then
             'it has ended as {status}[ ({reason})] at {at}[, executed by runner {runner_id}]'
        when 'running' then
             'it is being executed by runner {runner_id} since {since}'
        when 'claimed' then
             'runner {runner_id} has taken it at {since}, and has not begun it yet'
        when 'cancelling' then
             'its end was asked for: it stops at the next step of its runner'
        when 'waits_for_others' then
             'it waits since {since} for the end of others: {awaited}[ ({statuses})]'
        when 'runner_dead' then
             'runner {runner_id}, which holds it, is dead[ since {since}] ({health}): another '
             'runner takes it back at its next look'
        when 'runner_suspect' then
             'runner {runner_id}, which holds it, may be dead[ since {since}] ({health}): another '
             'runner takes it back unless it comes again at once'
        when 'nobody_recovers' then
             'no live runner is there that could take it back: start one'
        when 'expired' then
             'it should have begun until {expires_at}: it ends as failed (expired) at the next '
             'look of a runner'
        when 'set_aside' then
             'it was set aside at {since} ({cause})[, missing {missing}][, unknown {unknown}]: it '
             'is offered again when a runner comes that can take it'
        when 'workflow_paused' then
             'its workflow is paused since {since}[: {reason}]'
        when 'waits_for_event' then
             'its workflow waits for an event: {events}[, until {until}]'
        when 'asleep' then
             'its workflow sleeps until {until}'
        when 'due_later' then
             'it is due at {due_at}[ ({reason})]'
        when 'due' then
             'it is due since {due_at}, and is made ready at the next look of a runner'
        when 'queue_paused' then
             'its queue, {queue}, is paused'
        when 'queue_unserved' then
             'no live runner serves its queue, {queue}'
        when 'task_unknown' then
             'no live runner knows its task, {task_id}'
        when 'other_arguments' then
             'its task, {task_id}, as the live runners have it takes other arguments[, missing '
             '{missing}][, unknown {unknown}]'
        when 'task_elsewhere' then
             'the live runners that know its task, {task_id}, do not serve its queue, {queue}'
        when 'slot_taken' then
             'it waits for one of the {slots} slots of its concurrency key, {key}[, held by '
             '{holders}]'
        when 'rate_limited' then
             'its concurrency key, {key}, lets no more begin until {until}: {starts} in {seconds} '
             'seconds'
        when 'runners_busy' then
             'all places of the runners that serve its queue, {queue}, are taken: {taken} of '
             '{places}'
        when 'behind' then
             '[{more} ]{ahead} come before it in its queue, {queue}'
        when 'ready' then
             'it is ready: a runner that serves its queue, {queue}, takes it at its next look'
        when 'expires' then
             'it ends as failed (expired) unless it begins before {expires_at}'
    end;
end $$;

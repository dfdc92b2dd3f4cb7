-- Makes queues of those that this transaction was the first to call into. A trigger, at its commit: what
-- other transactions have noted is not to be seen, and gone when they have committed.
-- Locks: the queues, by name.
create or replace function {schema}.add_queues() returns trigger language plpgsql {definer} as $$
begin
    with mine as (
        delete from new_queue returning app_id, queue
    )
    insert into queue (app_id, queue)
    select distinct m.app_id, m.queue from mine m order by m.app_id, m.queue
    on conflict do nothing;
    return null;
end $$;

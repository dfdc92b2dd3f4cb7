-- Has whoever waits for an event look again. A trigger, at the commit of the event: who begins to wait has
-- the code's lock, so either it sees the event or this sees the wait.
create or replace function {schema}.wake_waiting() returns trigger language plpgsql {definer} as $$
begin
    perform pg_advisory_xact_lock_shared(event_lock(new.app_id, new.code));
    insert into workflow_wake (app_id, invocation_id)
    select distinct new.app_id, w.invocation_id
    from (select w.invocation_id, w.filter from workflow_wait w
          where w.app_id = new.app_id and w.code = new.code offset 0) w
    where (new.workflow_id is null or new.workflow_id = w.invocation_id)
      and may_meet(w.filter, new.payload)
    order by w.invocation_id
    on conflict do nothing;
    if found then
        perform notify(new.app_id, 'due', to_json(0));
    end if;
    return null;
end $$;

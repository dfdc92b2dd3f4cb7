-- Makes runs ready that were woken; answers how many. What is still being executed is looked at again when
-- it has come to rest: whoever puts it there has promote called. So is what somebody else has locked:
-- waiting for it, with the wakes locked, could end in a circle with who waits and who emits.
-- Internal to promote. Moves nothing: due_at is cleared. Locks: the wakes, then rows by id (skip locked).
create or replace function {schema}.wake_workflows(p_app text, p_limit integer) returns integer
language plpgsql as $$
declare
    v_ids  uuid[];
    v_mine uuid[];
    v_kept uuid[];
    v_done integer;
begin
    v_ids := array(select w.invocation_id from workflow_wake w where w.app_id = p_app
                   order by w.invocation_id limit p_limit for update skip locked);
    if v_ids = '{}' then
        return 0;
    end if;
    v_mine := array(select s.invocation_id from invocation_state s where s.invocation_id = any (v_ids)
                    order by s.invocation_id for no key update skip locked);
    update invocation_state s set due_at = null, previous_status = s.status
    where s.invocation_id = any (v_mine) and s.status = 'retry' and s.reason in ('event', 'paused')
      and s.due_at is not null;
    get diagnostics v_done = row_count;
    v_kept := array(select s.invocation_id from invocation_state s
                    where s.invocation_id = any (v_ids)
                      and (s.runner_id is not null or s.invocation_id <> all (v_mine)));
    delete from workflow_wake w
    where w.app_id = p_app and w.invocation_id = any (v_ids) and w.invocation_id <> all (v_kept);
    return v_done;
end $$;

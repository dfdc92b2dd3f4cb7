-- Takes an idempotency key for a call; answers null, or the id of the call that has it, whatever has
-- become of that. Internal to the verbs that register.
-- Locks: the key. Raises: PN015 where a transaction that does not end holds it.
create or replace function {schema}.reserve_call(
    p_app text, p_task text, p_key text, p_id uuid
) returns uuid language plpgsql as $$
declare
    v_first    uuid;
    v_patience constant text := current_setting('lock_timeout');
begin
    if v_patience = '0' then
        perform set_config('lock_timeout', '10s', true);
    end if;
    loop
        begin
            insert into call_key (app_id, task_id, key, invocation_id)
            values (p_app, p_task, p_key, p_id) on conflict do nothing;
            exit when found;
        exception when lock_not_available then
            raise exception 'a transaction that has not ended holds the key % of a call of %', p_key, p_task
                using errcode = 'PN015', hint = 'Nothing of this call was written: call again when it has ended.';
        end;
        select k.invocation_id into v_first from call_key k
        where k.app_id = p_app and k.task_id = p_task and k.key = p_key;
        exit when found;  -- else it went just now, with what it pointed to
    end loop;
    if v_patience = '0' then
        perform set_config('lock_timeout', '0', true);
    end if;
    if v_first is not null then
        perform pg_logical_emit_message(true, 'pynenc', '');  -- as in register_2
    end if;
    return v_first;
end $$;

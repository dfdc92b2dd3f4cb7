-- Why an invocation is not running, what matters most first: for people. code says it to programs, message
-- in words, facts (an object) name who, what and when. Of one that is executed it says by whom, of one that
-- has ended how; there is always a row. See pynenc_pg/domain/why.py.
create or replace function {schema}.why(p_app text, p_id uuid)
returns table (code text, message text, facts json) language plpgsql stable {definer} as $$
#variable_conflict use_column
declare
    v_call  {schema}.invocation;
    v_state {schema}.invocation_state;
begin
    select i.* into v_call from invocation i where i.invocation_id = p_id and i.app_id = p_app;
    select s.* into v_state from invocation_state s where s.invocation_id = v_call.invocation_id;
    return query
    select w.code, why_sentence(w.code, w.facts), w.facts from (
        select 'unknown' as code, json_build_object() as facts where v_call.invocation_id is null
        union all
        select 'ended', json_strip_nulls(json_build_object(
            'status', o.status, 'reason', o.reason, 'at', utc_text(o.finished_at), 'runner_id', o.runner_id))
        from invocation_outcome o where o.invocation_id = v_call.invocation_id
        union all
        select h.* from why_held(v_state) h where v_state.runner_id is not null
        union all
        select n.* from why_not_taken(v_call, v_state) n
        where v_state.invocation_id is not null and v_state.runner_id is null) w;
end $$;

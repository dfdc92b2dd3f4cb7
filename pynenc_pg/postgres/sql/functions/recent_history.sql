-- The latest status changes of an app: those on the last p_pages pages of the history, which is only ever
-- written at its end. For rates, without an index on time that every change would have to keep.
create or replace function {schema}.recent_history(p_app text, p_pages integer)
returns table (invocation_id uuid, rev integer, status text, reason text, runner_id text, at timestamptz)
language plpgsql stable {definer} as $$
declare
    v_left  integer := p_pages;
    v_pages bigint;
    v_part  regclass;
begin
    for v_part in
        select h.inhrelid::regclass from pg_inherits h join pg_class c on c.oid = h.inhrelid
        where h.inhparent = '{schema}.invocation_history'::regclass order by c.relname desc
    loop
        v_pages := pg_relation_size(v_part) / current_setting('block_size')::bigint;
        continue when v_pages = 0;  -- of a day to come
        return query execute format(
            'select h.invocation_id, h.rev, h.status::text, h.reason, h.runner_id, h.at
             from %s h where h.ctid >= $1 and h.app_id = $2', v_part)
        using format('(%s,0)', greatest(0, v_pages - v_left))::tid, p_app;
        v_left := v_left - v_pages;
        exit when v_left <= 0;
    end loop;
end $$;

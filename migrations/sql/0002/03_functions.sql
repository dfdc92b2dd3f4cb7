-- The first half of this schema's advisory locks: two schemas in one database do not meet.
-- The second half is a runner's serial (its session lock), or negative: -2 partitions,
-- -3 migrations, from -1000 down the recovery of an app, from -2000000 down what its runners know,
-- from -4000000 down the places of those who claim much.
create or replace function {schema}.lock_space() returns integer
language sql immutable parallel safe
return hashtext('{schema_name}') & 2147483647;

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

-- The text that stands for one argument of a call in its concurrency keys; null where only Python could
-- tell (see canonical_json) and where it is long. What is left out is as the runners have told of its default; ** has what no
-- other parameter takes, too. Internal to call_digest.
create or replace function {schema}.argument_text(p_parameters json, p_arguments json, p_name text)
returns text language plpgsql stable as $$
declare
    v_kind    text;
    v_default text;
    v_value   json := p_arguments->p_name;
    v_more    text;
begin
    select e->>'kind', e->>'default' into v_kind, v_default
    from json_array_elements(p_parameters) e where e->>'name' = p_name;
    if v_kind = 'var_keyword' then
        select string_agg(to_json(a.key)::text || ':' || a.value::text, ',' order by a.own desc, a.n)
        into v_more
        from (select o.key, o.value, o.n, true as own from json_each(v_value) with ordinality o (key, value, n)
              union all
              select o.key, o.value, o.n, false from json_each(p_arguments) with ordinality o (key, value, n)
              where o.key <> '$sig' and not exists (
                  select from json_array_elements(p_parameters) e where e->>'name' = o.key)) a;
        v_value := ('{' || coalesce(v_more, '') || '}')::json;
    end if;
    return case when v_value is null then v_default
                when length(v_value::text) <= 65536 then canonical_json(v_value) end;
end $$;

-- A text as Python's json.dumps writes it: quoted, and all ASCII. Internal to canonical_json and call_digest.
create or replace function {schema}.ascii_json(p_text text) returns text
language plpgsql immutable strict as $$
declare
    v_json text collate "C" := to_json(p_text)::text;
begin
    if v_json ~ '^[ -~]*$' then
        return v_json;
    end if;
    return (
        select string_agg(case
            when x.point between 32 and 126 then x.letter
            when x.point < 65536 then '\u' || lpad(to_hex(x.point), 4, '0')
            else '\u' || to_hex(55296 + ((x.point - 65536) >> 10))
                 || '\u' || to_hex(56320 + ((x.point - 65536) & 1023)) end, '' order by x.n)
        from (select l.letter, ascii(l.letter) as point, l.n
              from regexp_split_to_table(v_json, '') with ordinality l (letter, n)) x);
end $$;

-- Answers which of the invocations that a runner holds were cancelled meanwhile: hints may be lost.
-- Locks nothing.
create or replace function {schema}.asked_to_stop(p_app text, p_runner text)
returns uuid[] language sql stable {definer} as $$
    select array(
        select s.invocation_id from invocation_state s
        where s.runner_id = p_runner and s.app_id = p_app and s.cancel_requested_at is not null)
$$;

-- What runners hold, the longest first: for people. since: of its status.
create or replace function {schema}.at_work(p_app text, p_limit integer)
returns table (
    invocation_id uuid, task_id text, status text, runner_id text, since timestamptz
) language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    select h.invocation_id, i.task_id, h.status, h.runner_id, h.status_at
    from (
        select s.invocation_id, s.status::text as status, s.runner_id, s.status_at
        from runner r cross join lateral (
            select * from invocation_state x
            where x.runner_id = r.runner_id and x.runner_id is not null offset 0) s
        where r.app_id = p_app
        order by s.status_at, s.invocation_id limit p_limit) h
    cross join lateral (select c.task_id from invocation c where c.invocation_id = h.invocation_id offset 0) i
    order by h.status_at, h.invocation_id;
end $$;

-- Answers the first event that may be what a workflow waits for: emitted since it was registered, to all
-- or to it, not taken by an earlier step. If there is none (event_id is null), the next one wakes it.
-- left_seconds: until it waits in vain, counted from the first time; null: for ever.
-- Locks: the row (share), then the code of the event, until the end of the transaction. Raises: PN002 the
-- invocation is not the caller's, PN025 too large, PN028 the run is paused.
create or replace function {schema}.await_event(
    p_app text, p_runner text, p_id uuid, p_lease bigint, p_path text, p_code text, p_filter jsonb,
    p_timeout double precision, p_skip uuid[]
) returns table (event_id uuid, payload text, emitted_at timestamptz, left_seconds double precision)
language plpgsql {definer} as $$
#variable_conflict use_column
declare
    v_now   constant timestamptz := clock_timestamp();
    v_until timestamptz;
    v_since timestamptz;
    v_taken uuid[];
begin
    perform check_isolation();
    perform check_author(p_app, p_runner, p_id, p_lease);
    perform check_step(p_path, '', p_code, p_filter::text);
    perform begin_run(p_app, p_id);
    insert into workflow_wait (invocation_id, path, app_id, code, filter, since, until)
    values (p_id, p_path, p_app, p_code, p_filter, v_now, v_now + make_interval(secs => p_timeout))
    on conflict do nothing;
    perform pg_advisory_xact_lock(event_lock(p_app, p_code));
    select w.until into v_until from workflow_wait w where w.invocation_id = p_id and w.path = p_path;
    select i.registered_at into v_since from invocation i where i.invocation_id = p_id;
    v_taken := array(select s.event_id from workflow_step s
                     where s.invocation_id = p_id and s.event_id is not null);
    return query
    select e.event_id, e.payload::text, e.emitted_at,
           extract(epoch from v_until - v_now)::double precision
    from (values (1)) one
    left join lateral (
        select e.* from event e
        where e.app_id = p_app and e.code = p_code and e.emitted_at >= v_since
          and (e.workflow_id is null or e.workflow_id = p_id)
          and e.event_id <> all (v_taken) and e.event_id <> all (p_skip)
          and may_meet(p_filter, e.payload)
        order by e.emitted_at, e.event_id limit 1) e on true;
end $$;

-- Makes the row of a run with its first step. Internal; answers whose data it uses. Raises: PN028 the run is
-- paused, unless p_paused says that this does not matter.
create or replace function {schema}.begin_run(p_app text, p_id uuid, p_paused boolean default false)
returns uuid language plpgsql as $$
declare
    v_run {schema}.workflow;
begin
    select * into v_run from workflow w where w.invocation_id = p_id;
    if not found then
        insert into workflow (invocation_id, app_id, workflow_id, began_at)
        select p_id, p_app, coalesce(i.workflow_id, p_id), clock_timestamp() from invocation i
        where i.invocation_id = p_id
        on conflict do nothing;
        select * into v_run from workflow w where w.invocation_id = p_id;
    end if;
    if v_run.paused_at is not null and not p_paused then
        raise exception 'workflow run % is paused%', p_id, coalesce(': ' || nullif(v_run.pause_reason, ''), '')
            using errcode = 'PN028', hint = 'pynenc-pg workflows resume, or pynenc.pause_workflow(.., false).';
    end if;
    return v_run.workflow_id;
end $$;

-- The BLAKE2b digest of 16 bytes (RFC 7693), in hexadecimal digits: concurrency keys are made of it, also
-- by clients of the release before. Internal to call_digest.
-- PostgreSQL adds bigints only if their sum is one, so sums are made of halves of 32 bits.
create or replace function {schema}.blake2b(p_data bytea) returns text
language plpgsql immutable strict as $$
declare
    v_low   constant bigint := 4294967295;
    v_start constant bigint[] := '{7640891576956012808,-4942790177534073029,4354685564936845355,
        -6534734903238641935,5840696475078001361,-7276294671716946913,2270897969802886507,
        6620516959819538809}';
    v_sigma constant integer[] := '{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16, 15,11,5,9,10,16,14,7,2,13,1,3,12,8,6,4,
        12,9,13,1,6,3,16,14,11,15,4,7,8,2,10,5, 8,10,4,2,14,13,12,15,3,7,6,11,5,1,16,9,
        10,1,6,8,3,5,11,16,15,2,12,13,7,9,4,14, 3,13,7,11,1,12,9,4,5,14,8,6,16,15,2,10,
        13,6,2,16,15,14,5,11,1,8,7,4,10,3,9,12, 14,12,8,15,13,2,4,10,6,1,16,5,9,7,3,11,
        7,16,15,10,12,4,1,9,13,3,14,8,2,5,11,6, 11,3,9,5,8,7,2,6,16,12,10,15,4,13,14,1,
        1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16, 15,11,5,9,10,16,14,7,2,13,1,3,12,8,6,4}';
    v_rows  constant integer[] := '{1,2,3,4,1,2,3,4, 5,6,7,8,6,7,8,5, 9,10,11,12,11,12,9,10, 13,14,15,16,16,13,14,15}';
    v_size  constant integer := length(p_data);
    v_blocks constant integer := greatest(1, (v_size + 127) / 128);
    v_bytes constant bytea := p_data || decode(repeat('00', v_blocks * 128 - v_size), 'hex');
    v_hash  bigint[] := v_start;
    v_work  bigint[];
    v_words bigint[];
    v_at    integer;
    a bigint; b bigint; c bigint; d bigint; m bigint; n bigint; l bigint;
begin
    v_hash[1] := v_hash[1] # 16842768;  -- 16 bytes, no key
    for v_block in 1 .. v_blocks loop
        for i in 0 .. 15 loop
            v_at := (v_block - 1) * 128 + i * 8;
            v_words[i + 1] := get_byte(v_bytes, v_at)::bigint | (get_byte(v_bytes, v_at + 1)::bigint << 8)
                | (get_byte(v_bytes, v_at + 2)::bigint << 16) | (get_byte(v_bytes, v_at + 3)::bigint << 24)
                | (get_byte(v_bytes, v_at + 4)::bigint << 32) | (get_byte(v_bytes, v_at + 5)::bigint << 40)
                | (get_byte(v_bytes, v_at + 6)::bigint << 48) | (get_byte(v_bytes, v_at + 7)::bigint << 56);
        end loop;
        v_work := v_hash || v_start;
        v_work[13] := v_work[13] # least(v_block * 128, v_size);
        if v_block = v_blocks then
            v_work[15] := ~ v_work[15];
        end if;
        for v_round in 0 .. 11 loop
            for g in 1 .. 8 loop
                a := v_work[v_rows[g]];
                b := v_work[v_rows[g + 8]];
                c := v_work[v_rows[g + 16]];
                d := v_work[v_rows[g + 24]];
                m := v_words[v_sigma[v_round * 16 + g * 2 - 1]];
                n := v_words[v_sigma[v_round * 16 + g * 2]];
                l := (a & v_low) + (b & v_low) + (m & v_low);
                a := (((a >> 32) + (b >> 32) + (m >> 32) + (l >> 32)) << 32) | (l & v_low);
                d := d # a;
                d := (d << 32) | ((d >> 32) & v_low);
                l := (c & v_low) + (d & v_low);
                c := (((c >> 32) + (d >> 32) + (l >> 32)) << 32) | (l & v_low);
                b := b # c;
                b := (b << 40) | ((b >> 24) & 1099511627775);
                l := (a & v_low) + (b & v_low) + (n & v_low);
                a := (((a >> 32) + (b >> 32) + (n >> 32) + (l >> 32)) << 32) | (l & v_low);
                d := d # a;
                d := (d << 48) | ((d >> 16) & 281474976710655);
                l := (c & v_low) + (d & v_low);
                c := (((c >> 32) + (d >> 32) + (l >> 32)) << 32) | (l & v_low);
                b := b # c;
                b := (b << 1) | ((b >> 63) & 1);
                v_work[v_rows[g]] := a;
                v_work[v_rows[g + 8]] := b;
                v_work[v_rows[g + 16]] := c;
                v_work[v_rows[g + 24]] := d;
            end loop;
        end loop;
        for i in 1 .. 8 loop
            v_hash[i] := v_hash[i] # v_work[i] # v_work[i + 8];
        end loop;
    end loop;
    return (select string_agg(lpad(to_hex((v_hash[w] >> s) & 255), 2, '0'), '' order by w, s)
            from generate_series(1, 2) w, generate_series(0, 56, 8) s);
end $$;

-- What must never be so, by the invariants I1 to I12 of the design: for people and tests. No row is good news.
-- about: which rows, p_limit of each rule at most. It reads all that is live, and what was called since p_since
-- (null: ever), of one app (null: of all); it may take long, changes nothing and locks nothing.
-- No nested loops: tables of a queue have no good statistics, and what WITH makes has none.
create or replace function {schema}.broken(p_app text, p_since timestamptz, p_limit integer)
returns table (invariant text, rule text, about text[])
language plpgsql stable security definer set search_path = {schema}, pg_catalog, pg_temp
set jit = off set enable_nestloop = off set timezone = 'UTC' as $$
#variable_conflict use_column
declare
    -- What is older than the first partition of the history proves nothing (ids may be a day off).
    v_kept constant timestamptz := (
        select min(to_timestamp(right(c.relname, 8), 'YYYYMMDD')) + interval '1 day'
        from pg_inherits h join pg_class c on c.oid = h.inhrelid
        where h.inhparent = '{schema}.invocation_history'::regclass);
    v_from constant uuid := coalesce(first_id(p_since), '00000000-0000-0000-0000-000000000000');
    v_full constant uuid := greatest(v_from, first_id(v_kept));
begin
    return query
    select b.* from broken_ends(p_app, v_from, p_limit) b
    union all select b.* from broken_history(p_app, v_full, p_limit) b
    union all select b.* from broken_owners(p_app, v_full, p_limit) b
    union all select b.* from broken_keys(p_app, p_limit) b
    union all select b.* from broken_causes(p_app, v_from, p_limit) b
    union all select b.* from broken_waits(p_app, p_limit) b
    union all select b.* from stranded(p_app, p_limit) b
    union all select b.* from mixed_apps(p_app, v_from, p_limit) b;
end $$;

-- Causes that fired twice, or started what is not there; steps of workflows without their calls. Internal to
-- broken.
create or replace function {schema}.broken_causes(p_app text, p_from uuid, p_limit integer) returns table (invariant text, rule text, about text[])
language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    (select 'I7', 'a cause has fired more than once',
            array[r.trigger_id, c.cause->>'condition_id', coalesce(c.cause->>'source_id', c.cause->>'at'),
                  count(*) || ' times']
     from trigger_run r
     cross join lateral json_array_elements(
         case json_typeof(r.causes) when 'array' then r.causes else json_build_array(r.causes) end) c (cause)
     where (p_app is null or r.app_id = p_app) and r.reason is null
     group by r.app_id, r.trigger_id, c.cause->>'condition_id', c.cause->>'source_id', c.cause->>'rev',
              c.cause->>'status', c.cause->>'at'
     having count(*) > 1
     limit p_limit)
    union all
    (select 'I7', 'what a cause has started is not there',
            array[r.trigger_id, r.run_id::text, r.invocation_id::text]
     from trigger_run r
     where (p_app is null or r.app_id = p_app) and r.invocation_id >= p_from
       and not exists (select from invocation i where i.invocation_id = r.invocation_id)
     limit p_limit)
    union all
    (select 'I8', 'a step of a workflow has no call, or none that is there',
            array[w.invocation_id::text, w.path, w.kind, coalesce(w.child_id::text, '-')]
     from workflow_step w
     where (p_app is null or w.app_id = p_app) and w.invocation_id >= p_from
       and ((w.kind = 'task') <> (w.child_id is not null)
            or w.child_id >= p_from
               and not exists (select from invocation i where i.invocation_id = w.child_id))
     limit p_limit)
    union all
    (select 'I8', 'a step of what is no workflow', array[w.invocation_id::text, w.path]
     from workflow_step w
     where (p_app is null or w.app_id = p_app) and w.invocation_id >= p_from
       and not exists (select from workflow f where f.invocation_id = w.invocation_id)
     limit p_limit);
end $$;

-- Calls that were lost or ended twice, and large values that are not there. Internal to broken.
create or replace function {schema}.broken_ends(p_app text, p_from uuid, p_limit integer) returns table (invariant text, rule text, about text[])
language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    (select 'I1', 'neither live nor ended', array[i.invocation_id::text, i.task_id]
     from invocation i
     where (p_app is null or i.app_id = p_app) and i.invocation_id >= p_from
       and not exists (select from invocation_state s where s.invocation_id = i.invocation_id)
       and not exists (select from invocation_outcome o where o.invocation_id = i.invocation_id)
     limit p_limit)
    union all
    (select 'I1', 'live and ended', array[s.invocation_id::text, s.status::text, o.status::text]
     from invocation_state s join invocation_outcome o on o.invocation_id = s.invocation_id
     where p_app is null or s.app_id = p_app
     limit p_limit)
    union all
    (select 'I1', 'live, and was never called', array[s.invocation_id::text, s.status::text]
     from invocation_state s
     where (p_app is null or s.app_id = p_app)
       and not exists (select from invocation i where i.invocation_id = s.invocation_id)
     limit p_limit)
    union all
    (select 'I1', 'needs a large value that is not there', array[x.invocation_id::text, x.name]
     from (select o.app_id, o.invocation_id, o.value->>'$ref' as name from invocation_outcome o
           where o.invocation_id >= p_from and json_typeof(o.value) = 'object'
           union all
           select i.app_id, i.invocation_id, a.value->>'$ref' from invocation i
           cross join lateral json_each(
               case json_typeof(i.arguments) when 'object' then i.arguments else '{}' end) a
           where i.invocation_id >= p_from and json_typeof(a.value) = 'object') x
     where (p_app is null or x.app_id = p_app) and x.name ~ '^[0-9a-f]{64}$' and not exists (
         select from payload_ref r join payload p on p.app_id = r.app_id and p.sha256 = r.sha256
         where r.invocation_id = x.invocation_id and r.sha256 = decode(x.name, 'hex'))
     limit p_limit);
end $$;

-- Histories with gaps, steps the machine does not have, ends that changed. Internal to broken.
create or replace function {schema}.broken_history(p_app text, p_from uuid, p_limit integer) returns table (invariant text, rule text, about text[])
language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    with steps as materialized (
        select h.invocation_id, h.rev, h.previous_status, h.status, h.reason, h.at,
               lag(h.status) over w as before, lag(h.at) over w as earlier, row_number() over w as n
        from invocation_history h
        where (p_app is null or h.app_id = p_app) and h.invocation_id >= p_from
        window w as (partition by h.invocation_id order by h.rev)
    ), lasts as materialized (
        select t.invocation_id, max(t.rev) as rev, count(*) as steps,
               count(*) filter (where f.final) as ends,
               count(*) filter (where t.rev <> t.n - 1) as odd
        from steps t join status f on f.status = t.status group by t.invocation_id
    )
    (select 'I6', 'history has a gap or a revision twice, or does not end where it stands',
            array[l.invocation_id::text, 'rev ' || l.rev, l.steps || ' rows']
     from lasts l
     left join invocation_state s on s.invocation_id = l.invocation_id
     left join invocation_outcome o on o.invocation_id = l.invocation_id
     where l.steps <> l.rev + 1 or l.odd > 0 or l.rev is distinct from coalesce(o.rev, s.rev)
     limit p_limit)
    union all
    (select 'I6', 'has no history', array[i.invocation_id::text, i.task_id]
     from invocation i
     where (p_app is null or i.app_id = p_app) and i.invocation_id >= p_from
       and not exists (select from lasts l where l.invocation_id = i.invocation_id)
     limit p_limit)
    union all
    (select 'I2', 'a step that is not in status_transition, or goes back in time',
            array[t.invocation_id::text, 'rev ' || t.rev, coalesce(t.before::text, '-'), t.status::text,
                  coalesce(t.reason, '-')]
     from steps t
     where t.before is distinct from t.previous_status or t.at < t.earlier
        or case when t.n = 1 then t.rev <> 0 or t.status <> 'registered'
                else not exists (select from status_transition x
                                 where x.from_status = t.before and x.to_status = t.status
                                   and (x.reason is null or x.reason = t.reason)) end
     limit p_limit)
    union all
    (select 'I5', 'ended more than once', array[l.invocation_id::text, l.ends || ' ends']
     from lasts l where l.ends > 1 limit p_limit)
    union all
    (select 'I5', 'its outcome is not what its history says',
            array[o.invocation_id::text, o.status::text, t.status::text]
     from invocation_outcome o join steps t on t.invocation_id = o.invocation_id and t.rev = o.rev
     where o.status <> t.status
     limit p_limit);
end $$;

-- Concurrency keys whose slots are not those of who runs. Internal to broken.
create or replace function {schema}.broken_keys(p_app text, p_limit integer) returns table (invariant text, rule text, about text[])
language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    (select 'I4', 'a slot is held by what nobody executes', array[l.key, x.n::text, x.invocation_id::text]
     from slot x join lane l on l.lane_id = x.lane
     left join invocation_state s on s.invocation_id = x.invocation_id
     where (p_app is null or l.app_id = p_app)
       and (s.invocation_id is null or s.runner_id is null or s.lane is distinct from x.lane)
     limit p_limit)
    union all
    (select 'I4', 'is executed without the slot of its key', array[s.invocation_id::text, l.key]
     from invocation_state s join lane l on l.lane_id = s.lane
     where (p_app is null or s.app_id = p_app) and s.runner_id is not null
       and not exists (select from slot x where x.invocation_id = s.invocation_id)
     limit p_limit)
    union all
    (select 'I11', 'a key is open or shut to claims against its slots', array[l.key, l.open::text]
     from lane l
     where (p_app is null or l.app_id = p_app)
       and l.open <> (l.impatient or l.slots > (select count(*) from slot x where x.lane = l.lane_id))
     limit p_limit)
    union all
    (select 'I11', 'is parked although its key has a free slot', array[s.invocation_id::text, l.key]
     from invocation_state s join lane l on l.lane_id = s.lane
     where (p_app is null or s.app_id = p_app) and s.parked
       and l.slots > (select count(*) from slot x where x.lane = l.lane_id)
     limit p_limit);
end $$;

-- Two owners of one: work that changed hands without a claim, ends under a lease that was not the last. Internal
-- to broken.
create or replace function {schema}.broken_owners(p_app text, p_from uuid, p_limit integer) returns table (invariant text, rule text, about text[])
language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    with steps as materialized (
        select h.invocation_id, h.rev, h.status, h.runner_id, h.lease, lag(h.status) over w as before,
               lag(h.runner_id) over w as by, lag(h.lease) over w as under
        from invocation_history h
        where (p_app is null or h.app_id = p_app) and h.invocation_id >= p_from
        window w as (partition by h.invocation_id order by h.rev)
    ), claims as materialized (
        select distinct on (t.invocation_id) t.invocation_id, t.lease, t.runner_id from steps t
        where t.status = 'pending' order by t.invocation_id, t.rev desc
    )
    (select 'I3', 'changed hands without a claim',
            array[t.invocation_id::text, 'rev ' || t.rev, coalesce(t.by, '-'), coalesce(t.runner_id, '-')]
     from steps t
     where t.status in ('running', 'paused', 'resumed', 'success')
       and t.before in ('pending', 'running', 'paused', 'resumed')
       and (t.runner_id, t.lease) is distinct from (t.by, t.under)
     limit p_limit)
    union all
    (select 'I3', 'its outcome is not that of the latest lease',
            array[o.invocation_id::text, coalesce(o.runner_id, '-'), coalesce(c.runner_id, '-')]
     from invocation_outcome o left join claims c on c.invocation_id = o.invocation_id
     where (p_app is null or o.app_id = p_app) and o.invocation_id >= p_from
       and (o.lease is distinct from c.lease
            or o.runner_id is not null and o.runner_id is distinct from c.runner_id)
     limit p_limit)
    union all
    (select 'I3', 'is held under another lease than its history says',
            array[s.invocation_id::text, s.runner_id, coalesce(c.runner_id, '-')]
     from invocation_state s left join claims c on c.invocation_id = s.invocation_id
     where (p_app is null or s.app_id = p_app) and s.invocation_id >= p_from and s.runner_id is not null
       and (s.lease, s.runner_id) is distinct from (c.lease, c.runner_id)
     limit p_limit);
end $$;

-- Waits that nobody would end. Internal to broken.
create or replace function {schema}.broken_waits(p_app text, p_limit integer) returns table (invariant text, rule text, about text[])
language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    (select 'I10', 'waits for what is not live', array[coalesce(e.waiter_id::text, e.listener), e.awaited_id::text]
     from wait_edge e
     where (p_app is null or e.app_id = p_app)
       and not exists (select from invocation_state s where s.invocation_id = e.awaited_id)
     limit p_limit)
    union all
    (select 'I10', 'waits, and nobody executes it', array[e.waiter_id::text, e.awaited_id::text]
     from wait_edge e
     where (p_app is null or e.app_id = p_app) and e.waiter_id is not null
       and not exists (select from invocation_state s
                       where s.invocation_id = e.waiter_id and s.runner_id is not null)
     limit p_limit);
end $$;

-- What digest of pynenc_pg/domain/concurrency.py makes of a head and of the arguments that count of a call.
-- Null where only Python could tell, or where it is longer than may be digested here, which takes 1 ms for
-- 150 characters. Internal to call_keys.
create or replace function {schema}.call_digest(
    p_head text[], p_parameters json, p_arguments json, p_counts json
) returns text language plpgsql stable as $$
declare
    v_parts text[];
    v_text  text;
begin
    v_parts := array(select ascii_json(h.word) from unnest(p_head) with ordinality h (word, n) order by h.n)
            || array(select '[' || ascii_json(c.name) || ','
                            || ascii_json(argument_text(p_parameters, p_arguments, c.name)) || ']'
                     from json_array_elements_text(p_counts) with ordinality c (name, n) order by c.n);
    v_text := '[' || array_to_string(v_parts, ',') || ']';
    if array_position(v_parts, null) is null and length(v_text) <= 16384 then
        return blake2b(convert_to(v_text, 'UTF8'));
    end if;
    return null;
end $$;

-- The concurrency keys of a call, the same that CallKeys of pynenc_pg/engine/keys.py makes: calls from SQL and
-- from Python become one, and wait for each other's slots. call_id is null where it is a hash of the text.
-- Internal to enqueue_known. Raises: PN023 only Python can tell which calls are equal.
create or replace function {schema}.call_keys(
    p_task {schema}.task, p_arguments json, out registration text, out running text, out call_id text
) language plpgsql stable as $$
declare
    v_conf   constant json := p_task.options;
    v_counts constant json := v_conf->'counts';
    v_plain  constant boolean := (v_conf->>'plain')::boolean;
    v_known  boolean := v_plain and getdatabaseencoding() = 'UTF8';
begin
    registration := v_conf->>'registration_key';  -- where no arguments count
    running := v_conf->>'lane_key';
    if v_conf->>'counts' is null then
        return;
    end if;
    if v_known then
        begin
            if v_counts->>'registration' is not null then
                registration := call_digest(
                    array['registration', p_task.task_id, v_conf->>'registration_concurrency'],
                    p_task.parameters, p_arguments, v_counts->'registration');
                v_known := registration is not null;
            end if;
            if v_known and v_counts->>'running' is not null then
                running := call_digest(
                    array['running', p_task.task_id, v_conf->>'running_concurrency'],
                    p_task.parameters, p_arguments, v_counts->'running');
                v_known := running is not null;
            end if;
            if v_known and v_counts->>'call' is not null then
                call_id := call_digest(
                    array[p_task.task_id], p_task.parameters, p_arguments, v_counts->'call');
                v_known := call_id is not null;
            end if;
        exception when numeric_value_out_of_range or invalid_text_representation
                       or untranslatable_character then
            v_known := false;  -- what Python can hold and PostgreSQL cannot
        end;
    end if;
    if not v_known then
        raise exception 'a concurrency key of this call of % can be made in Python alone', p_task.task_id
            using errcode = 'PN023', hint = case when v_plain
                then 'What counts must be plain JSON of at most 16,384 characters, without NUL, in a database in UTF8; so must the default of what is left out.'
                else 'Its serializer decides which values are equal: enqueue a task of your own, without concurrency options, that calls it.' end;
    end if;
end $$;

-- Ends what nobody owns; asks the owner for the rest. Answers cancelled | requested | final | unknown.
-- What it has called as steps of a workflow is cancelled with it, and what that has.
-- Moves: registered, rerouted, retry, concurrency_controlled -> failed (cancelled).
-- Locks: its lane, then its row; for a workflow the lanes of all by key, then the rows by id.
create or replace function {schema}.cancel(p_app text, p_id uuid, p_changed_by text)
returns text language plpgsql {definer} as $$
declare
    v_ids   uuid[] := array[p_id];
    v_owned uuid[];
    v_free  uuid[];
begin
    perform check_isolation();
    for v_round in 1..3 loop
        v_ids := own_steps(v_ids);
        perform lock_lanes(v_ids);
        perform from invocation_state s where s.invocation_id = any (v_ids)
        order by s.invocation_id for update;
        -- A new statement: what was called while we waited.
        exit when cardinality(own_steps(v_ids)) = cardinality(v_ids);
    end loop;
    select array_agg(s.invocation_id) filter (where s.runner_id is not null),
           array_agg(s.invocation_id) filter (where s.runner_id is null)
    into v_owned, v_free
    from invocation_state s where s.invocation_id = any (v_ids) and s.app_id = p_app;
    if v_owned is not null then
        update invocation_state s
        set cancel_requested_at = coalesce(s.cancel_requested_at, clock_timestamp()),
            previous_status = s.status
        where s.invocation_id = any (v_owned);
        perform notify(p_app, 'cancel', to_json(o.id)) from unnest(v_owned) o (id);
    end if;
    if v_free is not null then
        perform end_unowned(v_free, 'failed', 'cancelled', p_changed_by);
    end if;
    if p_id = any (v_owned) then
        return 'requested';
    elsif p_id = any (v_free) then
        return 'cancelled';
    end if;
    return case when exists (select from invocation_outcome o where o.invocation_id = p_id and o.app_id = p_app)
           then 'final' else 'unknown' end;
end $$;

-- Cancels an invocation, whichever app it is of: for psql, triggers and other languages. Answers
-- cancelled | requested | final | unknown, as the cancel it calls.
create or replace function {schema}.cancel(id uuid)
returns text language plpgsql {definer} as $$
#variable_conflict use_variable
declare
    v_app text;
begin
    select i.app_id into v_app from invocation i where i.invocation_id = id;
    return case when found then cancel(v_app, id, 'sql') else 'unknown' end;
end $$;

-- A value in a row as the text that stands for it in concurrency keys: letter by letter what
-- canonical_text of pynenc_pg/serializer/canonical.py makes of plain JSON. Null where something inside
-- is for its serializer to read, or too deep. Internal to argument_text.
-- Raises 22003, 22P02, 22P05 where PostgreSQL cannot hold a number or a text that Python can.
create or replace function {schema}.canonical_json(p_value json, p_depth integer default 0) returns text
language plpgsql immutable as $$
declare
    v_texts text[];
begin
    case json_typeof(p_value)
    when 'string' then
        return ascii_json(p_value #>> '{}');
    when 'number' then
        return python_number(p_value #>> '{}');
    when 'array' then
        if p_depth >= 100 then
            return null;
        end if;
        v_texts := array(select canonical_json(e.value, p_depth + 1)
                         from json_array_elements(p_value) with ordinality e (value, n) order by e.n);
        return case when array_position(v_texts, null) is null
                    then '[' || array_to_string(v_texts, ',') || ']' end;
    when 'object' then
        -- Own keys that begin with $ have two of them.
        if p_depth >= 100 or exists (select from json_object_keys(p_value) k
               where k ~ '^[$]([^$]|$)' and k not in ('$str', '$float', '$dict')) then
            return null;
        end if;
        -- Of a key that stands there twice the last one counts, as in Python.
        v_texts := array(
            select ascii_json(e.key) || ':' || canonical_json(e.value, p_depth + 1)
            from (select distinct on (x.key) x.key, x.value
                  from json_each(p_value) with ordinality x (key, value, n)
                  order by x.key, x.n desc) e
            order by e.key collate "C");
        return case when array_position(v_texts, null) is null
                    then '{' || array_to_string(v_texts, ',') || '}' end;
    else
        return btrim(p_value::text, E' \t\n\r');  -- true, false, null
    end case;
end $$;

-- A cause as it is kept in trigger_run, with those that go with it. Internal.
create or replace function {schema}.cause_as_json(p_cause {schema}.trigger_cause) returns json
language sql stable
return (
    select json_agg(json_build_object(
        'condition_id', c.condition_id, 'source_id', c.source_id, 'rev', c.rev, 'status', c.status,
        'at', c.at) order by c.at, c.cause_id)
    from {schema}.trigger_cause c where c.cause_id = any (p_cause.partners || p_cause.cause_id));

-- Refuses who does not execute an invocation. Internal; its end, its next status and its cancellation wait
-- until the caller's transaction is over. Locks: the row (share). Raises: PN002 it is not (or no longer)
-- theirs.
create or replace function {schema}.check_author(p_app text, p_runner text, p_id uuid, p_lease bigint)
returns void language plpgsql as $$
begin
    perform from invocation_state s
    where s.invocation_id = p_id and s.app_id = p_app and s.lease = p_lease
      and s.runner_id is not distinct from p_runner and s.status in ('running', 'resumed', 'paused')
    for share;
    if not found then
        raise exception 'invocation % is not executed by runner % with lease %', p_id, p_runner, p_lease
            using errcode = 'PN002', hint = 'It was given to another runner, or has ended.';
    end if;
end $$;

-- Refuses arguments that a task cannot take. Internal to enqueue and retry.
-- Raises: PN021 names that do not fit.
create or replace function {schema}.check_call(p_task {schema}.task, p_arguments json) returns void
language plpgsql stable as $$
declare
    v_missing text[];
    v_unknown text[];
begin
    select m.missing, m.unknown into v_missing, v_unknown
    from misfit(p_task.parameters, array(select json_object_keys(p_arguments))) m;
    if v_missing <> '{}' or v_unknown <> '{}' then
        raise exception '% cannot be called like that:%', p_task.task_id,
                coalesce(' missing ' || nullif(array_to_string(v_missing, ', '), ''), '')
                || coalesce(' unknown ' || nullif(array_to_string(v_unknown, ', '), ''), '')
            using errcode = 'PN021',
                  hint = 'Its parameters: ' || coalesce((
                      select string_agg(e->>'name' || case when (e->>'required')::boolean then '' else ' (may be left out)' end, ', ')
                      from json_array_elements(p_task.parameters) e), 'none') || '.';
    end if;
end $$;

-- Refuses what is given for *args and is no array, and what is given for **kwargs and is no object; and
-- names that begin with $, which are not for parameters. Internal to enqueue. Raises: PN021.
create or replace function {schema}.check_containers(p_task {schema}.task, p_arguments json) returns void
language plpgsql stable as $$
declare
    v_name text;
begin
    select a.key into v_name
    from json_each(p_arguments) a
    left join json_array_elements(p_task.parameters) e on e->>'name' = a.key
    where a.key like '$%'
       or e->>'kind' = 'var_positional' and json_typeof(a.value) <> 'array'
       or e->>'kind' = 'var_keyword' and json_typeof(a.value) <> 'object'
    limit 1;
    if found then
        raise exception '% cannot be called like that: % must be %', p_task.task_id, v_name,
                case when v_name like '$%' then 'left out' else 'an array if it stands for *, an object if it stands for **' end
            using errcode = 'PN021', hint = 'Its other parameters are given by name.';
    end if;
end $$;

-- Refuses a step that is too large: each later attempt reads all of them. Internal. Raises: PN025.
create or replace function {schema}.check_step(p_path text, p_about text, p_key text, p_value text)
returns void language plpgsql immutable as $$
begin
    if length(p_value) > 1000000 then
        raise exception 'step % of the workflow (%): its value has % characters as JSON, and 1000000 are the most',
                p_path, left(p_about, 200), length(p_value)
            using errcode = 'PN025', hint = 'Return it from a task, or keep it elsewhere and record where.';
    elsif length(p_about) > 1000 or length(p_key) > 1000 then
        raise exception 'step % of the workflow (%): a name in it has more than 1000 characters',
                p_path, left(p_about, 200)
            using errcode = 'PN025', hint = 'Give it a shorter one.';
    end if;
end $$;

-- The first of one queue: what others wait for, then by rank, among work without a key and the
-- candidates that hold a slot. p_awaited: work without a key that others wait for; p_turns: by rank,
-- where each candidate stands. Internal to claim.
create or replace function {schema}.choose(
    p_app text, p_queue text, p_awaited uuid[], p_keyed uuid[], p_turns double precision[],
    p_floor double precision, p_limit integer, p_now timestamptz
) returns uuid[] language plpgsql as $$
begin
    return array(
        with free as materialized (
            select s.invocation_id, s.awaited, s.rank, 0 as n from invocation_state s
            where s.app_id = p_app and s.queue = p_queue and s.rank >= p_floor
              and s.available and s.due_at is null and s.lane is null
              and (s.expires_at is null or s.expires_at > p_now)
              and s.invocation_id <> all (p_awaited)
            order by s.rank, s.invocation_id limit p_limit - cardinality(p_awaited)
            for no key update skip locked
        ), known as (
            select s.invocation_id, s.awaited, coalesce(k.turn, s.rank) as rank, k.n
            from (select id, null::double precision as turn, 0 as n from unnest(p_awaited) id
                  union all select * from unnest(p_keyed, p_turns) with ordinality) k
            cross join lateral (
                select * from invocation_state s where s.invocation_id = k.id offset 0) s
            where s.queue = p_queue
        )
        select c.invocation_id from (table free union all table known) c
        order by c.awaited desc nulls last, c.rank, c.n, c.invocation_id limit p_limit);
end $$;

-- Takes up to p_limit ready invocations for a runner, each with a lease of its own.
-- Moves: registered, rerouted, retry -> pending | concurrency_controlled | concurrency_controlled_final;
-- those that were recovered fewer than p_begin_below times go on at once: pending -> running, both in one
-- version of the row.
-- What others wait for comes first, the deepest before the others; then by rank.
-- Locks: the runner's row against its removal (what it takes would be nobody's), a place among those who
-- claim much, lanes (skip locked: never waits, so they may come in the order of their turn), then rows
-- (skip locked). Raises: PN010 the runner is unknown or was declared dead.
-- p_queues in the order they are served; empty means all. p_idle: whether the caller sleeps if less
-- than p_limit is found, so that producers know whether somebody must be woken.
-- p_floors: by queue (in p_floor_queues) the rank below which the caller has lately seen nothing
-- ready. It is looked below only if nothing is found above. See PgOrchestrator, which uses it while
-- `looked`, the seconds that looking for work without a key took, is long. rank is null of what did not
-- come by its rank.
create or replace function {schema}.claim(
    p_app text, p_runner text, p_queues text[], p_limit integer, p_idle boolean,
    p_floor_queues text[] default '{}', p_floors double precision[] default '{}',
    p_begin_below integer default 0
) returns table (
    invocation_id uuid, task_id text, arguments text, lease bigint, retries integer,
    recoveries integer, parent_id uuid, depth integer, options text, queue text,
    rank double precision, looked double precision
) language plpgsql {definer} as $$
declare
    v_now     timestamptz := clock_timestamp();
    v_queues  text[];
    v_queue   text;
    v_left    integer := p_limit;
    v_lanes   bigint[] := '{}';
    v_keyed   uuid[] := '{}';
    v_turns   double precision[];
    v_awaited uuid[];
    v_taken   uuid[] := '{}';
    v_ids     uuid[];
    v_floor   double precision;
    v_looked  double precision;
    v_idle    boolean;
    v_idle_at timestamptz;
    v_place   integer;
begin
    perform check_isolation();
    select r.idle, r.idle_at into v_idle, v_idle_at from runner r
    where r.runner_id = p_runner and r.app_id is not distinct from p_app and r.dead_at is null
    for key share;
    if not found then
        raise exception 'runner % is not registered, or was declared dead', p_runner
            using errcode = 'PN010', hint = 'Its work was given to others; start a new runner.';
    end if;
    -- Two may claim much of the same queues at once, the others wait in line for a moment, with nothing
    -- of a claim's locks; but whoever slept until now begins at once. Many at once go through rows that
    -- the others have taken since they began to look, lock each, and the ends of those wait for them.
    -- Which line is chance: nobody stands always behind one that is held up.
    -- See docs/decisions/0013-claims-wait-in-line.md.
    if p_limit >= 16 and not v_idle then
        v_place := -4000000 - 2 * (hashtext(p_app || p_queues::text) & 1048575);
        if not pg_try_advisory_xact_lock(lock_space(), v_place)
           and not pg_try_advisory_xact_lock(lock_space(), v_place - 1)
        then
            perform wait_in_line(v_place - (random() < 0.5)::integer);
            v_now := clock_timestamp();
        end if;
    end if;
    v_queues := open_queues(p_app, p_queues);
    -- Most queues have no lanes, and preparing to go through them takes longer than to see that.
    if exists (select from unnest(v_queues) q (name) cross join lateral (
                   select from lane l where l.app_id = p_app and l.queue = q.name and l.open
                   order by l.served, l.key limit 1) x)
       or exists (select from (
                   select from lane l where l.queue is null and l.app_id is not distinct from p_app
                   and l.open
                   order by l.served, l.key limit 1) x)
    then
        select t.lanes, t.candidates, t.turns into v_lanes, v_keyed, v_turns
        from take_slots(p_app, v_queues, p_limit, v_now) t;
    end if;
    -- After the lanes were locked: by the history, too, a slot is taken after it was freed.
    v_now := clock_timestamp();

    loop
        foreach v_queue in array v_queues loop
            exit when v_left <= 0;
            v_floor := coalesce(p_floors[array_position(p_floor_queues, v_queue)], '-infinity');
            v_awaited := array(
                select s.invocation_id from invocation_state s
                where s.app_id = p_app and s.queue = v_queue and s.awaited is not null
                  and s.available and s.due_at is null and s.lane is null
                  and (s.expires_at is null or s.expires_at > v_now)
                order by s.awaited desc, s.rank, s.invocation_id limit v_left for no key update skip locked);
            if v_awaited <> '{}' or v_keyed <> '{}' then
                v_ids := choose(p_app, v_queue, v_awaited, v_keyed, v_turns, v_floor, v_left, v_now);
            else
                v_ids := array(
                    select s.invocation_id from invocation_state s
                    where s.app_id = p_app and s.queue = v_queue and s.rank >= v_floor
                      and s.available and s.due_at is null and s.lane is null
                      and (s.expires_at is null or s.expires_at > v_now)
                    order by s.rank, s.invocation_id limit v_left for no key update skip locked);
            end if;
            v_taken := v_taken || v_ids;
            v_left := v_left - cardinality(v_ids);
        end loop;
        exit when v_taken <> '{}' or p_floors = '{}';
        p_floors := '{}';
    end loop;
    v_looked := extract(epoch from clock_timestamp() - v_now);
    if v_lanes <> '{}' then
        perform settle_slots(p_app, v_lanes, v_keyed, v_taken, p_runner, v_now);
    end if;

    -- Asleep at once, awake once a second at most: that is how long producers notify after it all the
    -- same, and a row that changes with every call is slow to read while an old snapshot is held.
    if v_left > 0 and p_idle and not v_idle
       or v_left <= 0 and v_idle and v_idle_at < v_now - interval '1 second' then
        update runner r set idle = not r.idle, idle_at = v_now where r.runner_id = p_runner;
    end if;
    update invocation_state s
    set status = case when s.recoveries < p_begin_below then 'running' else 'pending' end::invocation_status,
        rev = s.rev + case when s.recoveries < p_begin_below then 2 else 1 end,
        previous_status = s.status, status_at = greatest(v_now, s.status_at), reason = null,
        runner_id = p_runner, lease = nextval('lease_seq'), proof = null, changed_by = p_runner,
        registration_key = case when s.recoveries < p_begin_below then null else s.registration_key end,
        expires_at = case when s.recoveries < p_begin_below then null else s.expires_at end
    where s.invocation_id = any (v_taken);
    return query
    select i.invocation_id, i.task_id, i.arguments::text, s.lease, s.retries, s.recoveries,
           i.parent_id, i.depth, i.options::text, s.queue,
           case when s.lane is null and s.awaited is null then s.rank end, v_looked
    from unnest(v_taken) with ordinality t (id, n)
    cross join lateral (select * from invocation_state s where s.invocation_id = t.id offset 0) s
    cross join lateral (select * from invocation i where i.invocation_id = t.id offset 0) i
    order by t.n;
end $$;

-- Looks at up to p_limit payloads after one, by name, and removes those that are older than p_age
-- seconds and that nobody refers to. Answers how many, and where to go on (null: that was the end).
-- Locks: those it removes; skips what somebody is about to refer to. Raises nothing of its own.
create or replace function {schema}.collect(
    p_app text, p_after text, p_age double precision, p_limit integer
) returns table (removed integer, next_after text) language plpgsql {definer} as $$
declare
    v_before timestamptz := clock_timestamp() - make_interval(secs => p_age);
    v_seen   bytea[];
    v_old    bytea[];
begin
    perform check_isolation();
    v_seen := array(
        select p.sha256 from payload p where p.app_id = p_app and p.sha256 > decode(p_after, 'hex')
        order by p.sha256 limit p_limit);
    v_old := array(
        select p.sha256
        from unnest(v_seen) s (sha256) cross join lateral (
            select x.sha256 from payload x
            where x.app_id = p_app and x.sha256 = s.sha256 and x.created_at < v_before
              and not exists (select from payload_ref r
                              where r.app_id = x.app_id and r.sha256 = x.sha256 offset 0)
            offset 0 for update skip locked) p);
    -- A new statement: with these locked nobody can refer to them any more, but somebody may have
    -- while we looked. They stand where they stood, being locked.
    with gone as (
        delete from payload p where p.ctid = any (array(
            select x.ctid from unnest(v_old) o (sha256) cross join lateral (
                select x.ctid from payload x
                where x.app_id = p_app and x.sha256 = o.sha256 and x.created_at < v_before
                  and not exists (select from payload_ref r
                                  where r.app_id = p_app and r.sha256 = x.sha256 offset 0)
                offset 0) x))
        returning 1
    )
    select count(*) into removed from gone;
    next_after := case when cardinality(v_seen) = p_limit then encode(v_seen[p_limit], 'hex') end;
    return next;
end $$;

-- How many invocations of an app there are in each status, for people: it reads all of them.
create or replace function {schema}.count_by_status(p_app text)
returns table (status text, count bigint) language plpgsql stable {definer} as $$
begin
    return query
    select s.status::text, count(*) from invocation_state s where s.app_id = p_app group by 1
    union all
    select o.status::text, count(*) from invocation_outcome o where o.app_id = p_app group by 1
    order by 1;
end $$;

-- Gives back what a process of a living runner was executing when it died. Answers only those lost.
-- Moves: running, paused, resumed -> running_recovery -> rerouted | failed (recoveries_exhausted, or
-- cancelled where that was asked for); pending -> rerouted. Locks: lanes by key, then rows by id.
create or replace function {schema}.crash(
    p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_max_recoveries integer
) returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
begin
    return query
    select g.id, 'lost'
    from unnest(give_back(p_app, p_runner, p_ids, p_leases, p_max_recoveries)) g (id);
end $$;

-- Drops what waits for triggers that are no more, and writes that down; answers how many fell.
-- Internal to register_triggers and maintain. Locks: the causes by id.
create or replace function {schema}.drop_causes(p_app text, p_triggers text[]) returns integer
language plpgsql as $$
declare
    v_gone bigint[];
begin
    v_gone := array(
        select c.cause_id from trigger_cause c
        where c.app_id = p_app and c.trigger_id = any (p_triggers) order by c.cause_id for update);
    insert into trigger_run (app_id, trigger_id, version, task_id, cause_id, causes, reason, fired_at)
    select p_app, c.trigger_id, d.version, d.task_id, c.cause_id, cause_as_json(c), 'removed', clock_timestamp()
    from unnest(v_gone) g (id)
    cross join lateral (select * from trigger_cause c where c.cause_id = g.id and c.state <> 'joined' offset 0) c
    cross join lateral (select * from trigger_definition d
                        where d.app_id = c.app_id and d.trigger_id = c.trigger_id offset 0) d;
    delete from trigger_cause c where c.cause_id = any (v_gone);
    return cardinality(v_gone);
end $$;

-- Drops one partition per table that is past its retention (that of the app which keeps longest), and
-- only if nothing of it has ended since, nor any live row or wait points into it (such a one is
-- passed over, the next may go). What invocations refer to stays as long as anything of them.
-- Internal to maintain.
-- Gives up after 200 ms of waiting for its lock, and tries again next time.
create or replace function {schema}.drop_old_partitions() returns text[]
language plpgsql set search_path = {schema}, pg_catalog, pg_temp
set timezone = 'UTC' set lock_timeout = '200ms' as $$
declare
    v_name   text;
    v_parent text;
    v_from   timestamptz;
    v_kept   interval;
    v_ages   interval;
    v_now    timestamptz := clock_timestamp();
    v_gone   text[] := '{}';
    v_did    text[] := '{}';
begin
    select make_interval(secs => coalesce(max(coalesce(r.finished, 604800)), 604800)),
           make_interval(secs => coalesce(max(coalesce(r.history, 2592000)), 2592000))
    into v_kept, v_ages
    from (select q.app_id from queue q union select r.app_id from retention r) a
    left join retention r
           on r.app_id = a.app_id and r.told_at > v_now - make_interval(secs => r.history);
    for v_name, v_parent, v_from in
        select c.relname, p.relname, to_timestamp(right(c.relname, 8), 'YYYYMMDD')
        from pg_inherits h join pg_class c on c.oid = h.inhrelid join pg_class p on p.oid = h.inhparent
        where p.relnamespace = '{schema}'::regnamespace and p.relkind = 'p' and c.relkind = 'r'
        order by p.relname, c.relname
    loop
        continue when v_parent = any (v_gone);
        continue when v_from + case when v_parent = 'invocation_history' then interval '1 day' + v_ages
                               else interval '7 days' + v_kept end > v_now;
        -- ensure_partitions would make it again.
        continue when v_from >= case when v_parent = 'invocation_history' then date_trunc('day', v_now, 'UTC') - interval '1 day'
                                else date_trunc('week', v_now, 'UTC') - interval '7 days' end;
        continue when v_parent <> 'invocation_history'
                      and (pointed_into(v_from, v_from + interval '7 days')
                           or ended_since(v_from, v_from + interval '7 days', v_now - v_kept));
        -- They come last by their names.
        continue when v_parent not like 'invocation%' and exists (
            select from unnest(array['invocation', 'invocation_outcome', 'invocation_error']) p
            where to_regclass(partition_name(p, v_from)) is not null);
        begin
            v_gone := v_gone || v_parent;
            execute format('drop table %I', v_name);
            if v_parent = 'invocation' then
                delete from call_key k where k.invocation_id >= first_id(v_from)
                                         and k.invocation_id < first_id(v_from + interval '7 days');
                delete from call_result r where r.invocation_id >= first_id(v_from)
                                            and r.invocation_id < first_id(v_from + interval '7 days');
            end if;
            v_did := v_did || ('dropped ' || v_name);
        exception when lock_not_available then
            v_did := v_did || ('busy, later: ' || v_name);
        end;
    end loop;
    return v_did;
end $$;

-- Writes an event, and notes it for each trigger that watches its code. The same id again is the same
-- event. p_payload: in the wire format. p_workflow: the run of a workflow that alone hears of it. Raises: PN008 isolation, PN025 a code that cannot be.
create or replace function {schema}.emit(
    p_app text, p_id uuid, p_code text, p_payload text, p_by text, p_workflow uuid default null
) returns void language plpgsql {definer} as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    perform check_isolation();
    if p_code is null or p_code !~ '^[^[:cntrl:]]{1,255}$' or btrim(p_code) <> p_code then
        raise exception 'event code %: it must be 1 to 255 printable characters without spaces around it',
                coalesce(quote_literal(p_code), 'null')
            using errcode = 'PN025', hint = 'As in order.paid.';
    end if;
    insert into event (event_id, app_id, code, payload, emitted_at, emitted_by, workflow_id)
    values (p_id, p_app, p_code, p_payload::json, v_now, p_by, p_workflow) on conflict do nothing;
    if not found or p_workflow is not null then
        return;
    end if;
    insert into trigger_cause (app_id, trigger_id, condition_id, source_id, at)
    select p_app, w.trigger_id, w.condition_id, p_id, v_now from trigger_watch w
    where w.app_id = p_app and w.what = 'event' and w.about = p_code
      and may_meet(w.filter->'payload', p_payload::json);
    if found then
        perform notify(p_app, 'cause');
    end if;
end $$;

-- Makes known that something has happened: for psql, triggers and other languages. payload: plain JSON.
-- app may be left out where there is but one whose runners have told of tasks. Answers the event's id;
-- what watches it is started when the transaction commits. workflow: the run that alone hears of it.
-- Raises: PN008 isolation, PN014 no such run, PN020 which app is meant, PN025 a code that cannot be.
create or replace function {schema}.emit_event(
    code text, payload json default '{}', app text default null, workflow uuid default null
) returns uuid language plpgsql {definer} as $$
#variable_conflict use_variable
declare
    v_id   uuid := new_id();
    v_apps text[];
begin
    if app is null and workflow is not null then
        select i.app_id into app from invocation i where i.invocation_id = workflow;
        if not found then
            raise exception 'no invocation %', workflow using errcode = 'PN014';
        end if;
    end if;
    if app is null then
        v_apps := array(select distinct t.app_id from task t
                        union select d.app_id from trigger_definition d where d.removed_at is null
                        order by 1);
        if cardinality(v_apps) <> 1 then
            raise exception '%', case when v_apps = '{}' then 'no runner has told of its app'
                                      else 'there are several apps: ' || array_to_string(v_apps, ', ') end
                using errcode = 'PN020', hint = 'Say which one is meant: emit_event(.., app => ..).';
        end if;
        app := v_apps[1];
    end if;
    perform emit(app, v_id, code, plain_wire(coalesce(payload, 'null'))::text, 'sql', workflow);
    return v_id;
end $$;

-- Ends invocations that nobody owns: outcome, delete, waiters; lanes without work go. Internal; rows
-- locked by the caller.
-- Moves: available, parked, killed, recovery -> failed | concurrency_controlled_final.
create or replace function {schema}.end_unowned(
    p_ids uuid[], p_status text, p_reason text, p_changed_by text
) returns void language plpgsql as $$
declare
    v_lanes bigint[];
begin
    with gone as (
        delete from invocation_state s where s.invocation_id = any (p_ids) returning s.*
    ), kept as (
        insert into invocation_outcome (
            invocation_id, app_id, status, reason, value, runner_id, lease, rev, changed_by, retries,
            recoveries, finished_at)
        select g.invocation_id, g.app_id, p_status::invocation_status, p_reason, null, null, g.lease,
               g.rev + 1, p_changed_by, g.retries, g.recoveries,
               greatest(clock_timestamp(), g.status_at)
        from gone g
    )
    select array_agg(distinct g.lane) into v_lanes from gone g where g.lane is not null;
    perform wake_waiters(p_ids);
    if v_lanes is not null then
        perform forget_lanes(v_lanes);
    end if;
end $$;

-- Whether anything has become of an invocation made in a span of time since a moment. By the history, whose
-- newest days have next to nothing of a week long past. Internal to drop_old_partitions.
create or replace function {schema}.ended_since(p_from timestamptz, p_until timestamptz, p_since timestamptz)
returns boolean language plpgsql stable
set enable_seqscan = off set enable_bitmapscan = off as $$
declare
    v_first constant uuid := first_id(p_from);
    v_next  constant uuid := first_id(p_until);
begin
    return exists (select from invocation_history h
                   where h.at > p_since and h.invocation_id >= v_first and h.invocation_id < v_next);
end $$;

-- Calls a task: for psql, triggers and other languages. arguments: a JSON object, by the names of the
-- task's parameters, read as plain JSON. What is left out is as the task has it; app may be left out
-- where one app has a task of that name. The first call with a key counts, and later ones become that one.
-- Answers the invocation's id; it exists when the transaction commits, and runners are told then.
-- Moves: (new) -> registered. Locks: the key, then those of register_2.
-- Raises: PN008 isolation, PN020 no such task, PN021 arguments that do not fit, PN022 an option that
-- cannot be, PN023 a concurrency key that Python alone can make; PN013, PN015 as register_2.
create or replace function {schema}.enqueue(
    task text, arguments json default '{}', app text default null, queue text default null,
    priority double precision default null, delay interval default null,
    at timestamptz default null, expires interval default null,
    max_retries integer default null, timeout interval default null,
    key text default null
) returns uuid language plpgsql {definer} as $$
#variable_conflict use_variable
declare
    -- A column of the caller's may have another collation, which all that is called here would have, too:
    -- our indexes would not fit.
    v_name  constant text collate "default" := task;
    v_app   constant text collate "default" := app;
    v_queue constant text collate "default" := queue;
    v_key   constant text collate "default" := key;
    v_task  {schema}.task;
    v_wrong constant text := case
        when priority not between -100 and 100 then 'priority must be from -100 to 100'
        when delay < interval '0' then 'delay must not be negative'
        when delay > interval '0' and at is not null
            then 'delay and at both say when it may be begun: leave one of them out'
        when expires <= interval '0' then 'expires must be longer than nothing'
        when timeout <= interval '0' then 'timeout must be longer than nothing'
        when max_retries < 0 then 'max_retries must not be negative'
        when queue !~ '^[A-Za-z0-9_.-]+$' then 'queue must be of letters, digits, _, . and -'
        when length(key) not between 1 and 255 then 'key must be of 1 to 255 characters' end;
begin
    perform check_isolation();
    if v_wrong is not null then
        raise exception '%', v_wrong
            using errcode = 'PN022', hint = 'See enqueue in docs/reference/sql.md.';
    end if;
    v_task := find_task(v_app, v_name);
    if json_typeof(arguments) is distinct from 'object' then
        raise exception 'the arguments of % must be a JSON object, not %', task,
                coalesce(json_typeof(arguments), 'null')
            using errcode = 'PN021', hint = 'Give them by name: {"x": 1}.';
    end if;
    begin
        perform check_containers(v_task, arguments);
        perform check_call(v_task, arguments);
    exception when untranslatable_character or invalid_text_representation then
        raise exception 'the arguments of % have what PostgreSQL cannot read: %', task, sqlerrm
            using errcode = 'PN021', hint = 'Text with NUL or half a surrogate pair: call the task from Python.';
    end;
    return enqueue_known(
        v_task, plain_wire(arguments), v_queue, priority, delay, at, expires,
        json_strip_nulls(json_build_object(
            'max_retries', max_retries, 'timeout', extract(epoch from timeout)::double precision,
            'delayed', case when delay > interval '0' or at is not null then true end)),
        null, v_key);
end $$;

-- Registers one call of a known task, by the task's options where nothing else is said; answers its id, or
-- that of the invocation it became: with a key, what the first call with it became. Always notifies, at the
-- commit. Internal to enqueue and retry. Raises: as reserve_call, call_keys and register_2.
create or replace function {schema}.enqueue_known(
    p_task {schema}.task, p_arguments json, p_queue text, p_priority double precision, p_delay interval,
    p_at timestamptz, p_expires interval, p_options json, p_retried_from uuid,
    p_key text default null
) returns uuid language plpgsql as $$
declare
    v_conf      constant json := p_task.options;
    v_arguments constant text := p_arguments::text;
    v_id        constant uuid := new_id();
    v_become    uuid;
    v_keys      record;
begin
    if p_key is not null then
        v_become := reserve_call(p_task.app_id, p_task.task_id, p_key, v_id);
        if v_become is not null then
            return v_become;
        end if;
    end if;
    select * into v_keys from call_keys(p_task, p_arguments);
    v_become := (register_2(
        p_task.app_id, p_task.task_id, coalesce(p_queue, v_conf->>'queue'),
        coalesce(p_priority, (v_conf->>'priority')::double precision),
        extract(epoch from p_delay)::double precision,
        coalesce(extract(epoch from p_expires)::double precision, (v_conf->>'expires')::double precision),
        (v_conf->>'slots')::integer, (v_conf->>'must_not_wait')::boolean, null, 0, p_options::text,
        'sql', false, array[v_id],
        array[coalesce(v_keys.call_id, left(encode(sha256(convert_to(
            p_task.task_id || e'\n' || v_arguments, 'UTF8')), 'hex'), 32))],
        array[v_arguments],
        case when v_keys.registration is not null then array[v_keys.registration] end,
        case when v_keys.running is not null then array[v_keys.running] end,
        v_keys.call_id is not null, (v_conf->>'ageing')::double precision, (v_conf->>'rate')::integer,
        (v_conf->>'rate_period')::double precision, p_at, p_retried_from))[1];
    if p_key is not null and v_become <> v_id then
        update call_key k set invocation_id = v_become
        where k.app_id = p_task.app_id and k.task_id = p_task.task_id and k.key = p_key;
    end if;
    return v_become;
end $$;

-- Makes the partitions up to 14 days ahead that are not there yet. Internal; one at a time.
-- CREATE, CHECK, ATTACH: writers of the parent are not blocked. Raises nothing of its own.
create or replace function {schema}.ensure_partitions() returns text[]
language plpgsql set search_path = {schema}, pg_catalog, pg_temp
set timezone = 'UTC' as $$
declare
    v_parent text;
    v_name   text;
    v_from   timestamptz;
    v_made   text[] := '{}';
    v_today  timestamptz := date_trunc('day', clock_timestamp(), 'UTC');
    v_week   timestamptz := date_trunc('week', clock_timestamp(), 'UTC');
begin
    perform pg_advisory_xact_lock(lock_space(), -2);
    for v_parent, v_from in
        select 'invocation_history', v_today + d * interval '1 day' from generate_series(-1, 14) d
        union all
        select p, v_week + w * interval '7 days'
        from unnest(array['invocation', 'invocation_outcome', 'invocation_error', 'payload_ref', 'workflow',
                          'workflow_step', 'workflow_data']) p,
             generate_series(-1, 3) w
        union all
        -- Invocations of former weeks run and end in this one.
        select p, to_timestamp(right(c.relname, 8), 'YYYYMMDD')
        from pg_inherits h join pg_class c on c.oid = h.inhrelid
        cross join unnest(array['payload_ref', 'workflow', 'workflow_step', 'workflow_data']) p
        where h.inhparent = '{schema}.invocation'::regclass
    loop
        v_name := partition_name(v_parent, v_from);
        continue when to_regclass(v_name) is not null;
        perform make_partition(v_parent, v_name, v_from);
        v_made := v_made || v_name;
    end loop;
    return v_made;
end $$;

-- The advisory lock of an event's code: whoever begins to wait has it alone, whoever commits an event
-- shares it. Internal.
create or replace function {schema}.event_lock(p_app text, p_code text) returns bigint
language sql immutable
return hashtextextended('{schema_name}' || chr(1) || p_app || chr(1) || p_code, 8);

-- An invocation with those that it was called by (level below 0) and those called below it, the nearest
-- first, p_limit of them at most: for people.
create or replace function {schema}.family(p_app text, p_id uuid, p_limit integer)
returns table (
    invocation_id uuid, parent_id uuid, level integer, task_id text, status text, reason text,
    registered_at timestamptz, finished_at timestamptz
) language plpgsql stable {definer} as $$
#variable_conflict use_column
declare
    v_ids    uuid[] := array[p_id];
    v_levels integer[] := array[0];
    v_front  uuid[] := array[p_id];
    v_up     uuid := p_id;
    v_level  integer := 0;
begin
    for v_step in 1..50 loop
        select i.parent_id into v_up from invocation i where i.invocation_id = v_up and i.app_id = p_app;
        exit when v_up is null;
        v_ids := v_up || v_ids;
        v_levels := -v_step || v_levels;
    end loop;
    while cardinality(v_front) > 0 and cardinality(v_ids) < p_limit loop
        v_level := v_level + 1;
        v_front := array(
            select c.invocation_id from unnest(v_front) with ordinality u (id, n)
            cross join lateral (
                select c.invocation_id from invocation c where c.parent_id = u.id offset 0) c
            limit p_limit - cardinality(v_ids));
        v_ids := v_ids || v_front;
        v_levels := v_levels || array_fill(v_level, array[cardinality(v_front)]);
    end loop;
    return query
    select i.invocation_id, i.parent_id, u.level, i.task_id, coalesce(o.status, s.status)::text,
           coalesce(o.reason, s.reason), i.registered_at, o.finished_at
    from unnest(v_ids, v_levels) with ordinality u (id, level, n)
    cross join lateral (select * from invocation c where c.invocation_id = u.id offset 0) i
    left join lateral (select * from invocation_state c where c.invocation_id = u.id offset 0) s on true
    left join lateral (select * from invocation_outcome c where c.invocation_id = u.id offset 0) o on true
    where i.app_id = p_app
    order by u.n;
end $$;

-- The contents of payloads, as they were sent; those that are not there are left out.
create or replace function {schema}.fetch(p_app text, p_hashes text[])
returns table (name text, content bytea, codec text) language plpgsql stable {definer} as $$
begin
    return query
    select w.name, p.bytes, p.codec
    from unnest(p_hashes) w (name) cross join lateral (
        select * from payload x where x.app_id = p_app and x.sha256 = decode(w.name, 'hex') offset 0) p;
end $$;

-- The task that a call from SQL means, as the runners told of it last. Internal.
-- Raises: PN020 no runner has told of it, or several apps have one of that name.
create or replace function {schema}.find_task(p_app text, p_task text) returns {schema}.task
language plpgsql stable as $$
declare
    v_found {schema}.task;
    v_apps  text;
begin
    select string_agg(distinct quote_literal(t.app_id), ', ') into v_apps from task t
    where t.task_id = p_task and (p_app is null or t.app_id = p_app) having count(distinct t.app_id) > 1;
    if found then
        raise exception 'several apps have a task %: %', p_task, v_apps
            using errcode = 'PN020', hint = 'Say which one is meant: enqueue(.., app => ..).';
    end if;
    select t.* into v_found from task t
    where t.task_id = p_task and (p_app is null or t.app_id = p_app) order by t.told_at desc limit 1;
    if not found then
        raise exception 'no runner has told of a task %', coalesce(p_task, 'null')
            using errcode = 'PN020',
                  hint = 'Start a runner of the app that has it, once; select task_id from tasks lists those known.';
    end if;
    return v_found;
end $$;

-- Ends what a runner holds. Answers only those that were not done: lost | already.
-- Moves: running, resumed -> success | failed, as outcome plus delete.
-- Locks: lanes by key, then rows by id. In one transaction with it: slot freed and the next parked
-- one rerouted, waiters woken, history.
create or replace function {schema}.finish(
    p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_statuses text[],
    p_values text[], p_reasons text[]
) returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
declare
    v_now   timestamptz := clock_timestamp();
    v_lanes bigint[];
    v_done  uuid[];
begin
    perform check_isolation();
    v_lanes := lock_lanes(p_ids);
    with mine as materialized (
        select s.invocation_id, e.status, e.value, e.reason
        from (select * from unnest(p_ids, p_leases, p_statuses, p_values, p_reasons)
                   e (id, lease, status, value, reason) order by id) e
        cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = e.id and s.lease = e.lease
              and s.runner_id is not distinct from p_runner and s.status in ('running', 'resumed')
            offset 0 for update) s
    ), gone as (
        delete from invocation_state s using mine m
        where s.invocation_id = any (array[m.invocation_id])
        returning s.invocation_id, s.app_id, s.runner_id, s.lease, s.rev, s.retries,
                  s.recoveries, s.status_at, m.status, m.value, m.reason
    ), kept as (
        insert into invocation_outcome (
            invocation_id, app_id, status, reason, value, runner_id, lease, rev, retries, recoveries,
            finished_at)
        select g.invocation_id, g.app_id, g.status::invocation_status, g.reason, g.value::json,
               g.runner_id, g.lease, g.rev + 1, g.retries, g.recoveries, greatest(v_now, g.status_at)
        from gone g
        returning invocation_outcome.invocation_id
    )
    select array(select k.invocation_id from kept k) into v_done;

    if v_lanes is not null then
        perform free_slots(p_app, v_lanes, v_done, p_runner);
    end if;
    perform wake_waiters(v_done);
    if cardinality(v_done) = cardinality(p_ids) then
        return;
    end if;
    return query
    select e.id, case when exists (
        select from invocation_outcome o where o.invocation_id = e.id and o.lease = e.lease
        and o.runner_id = p_runner offset 0) then 'already' else 'lost' end
    from unnest(p_ids, p_leases) e (id, lease) where e.id <> all (v_done);
end $$;

-- Writes down what causes have started, and ends them: in the statement that registers it, whose answer
-- it passes on. Raises: PN026 one of them is not the caller's any more, DETAIL: which; nothing is started.
-- Locks: the causes by id, after those of register.
create or replace function {schema}.fire(
    p_app text, p_causes bigint[], p_attempts integer[], p_became uuid[], p_arguments text[]
) returns uuid[] language plpgsql {definer} as $$
declare
    v_now  timestamptz := clock_timestamp();
    v_mine bigint[];
begin
    v_mine := array(
        select c.cause_id from (
            select * from unnest(p_causes, p_attempts) a (id, attempts) order by id) a
        cross join lateral (
            select * from trigger_cause c where c.cause_id = a.id offset 0 for update) c
        where c.attempts = a.attempts and c.state = 'new' and c.app_id = p_app);
    if cardinality(v_mine) < cardinality(p_causes) then
        raise exception 'causes are not the caller''s any more: others have looked at them'
            using errcode = 'PN026', hint = 'Go on with the rest.',
                  detail = array_to_string(array(select c from unnest(p_causes) c where c <> all (v_mine)), ' ');
    end if;
    insert into trigger_run (app_id, trigger_id, version, task_id, cause_id, causes, arguments,
                             invocation_id, fired_at)
    select p_app, c.trigger_id, d.version, d.task_id, c.cause_id, cause_as_json(c), f.arguments::json,
           f.became, v_now
    from unnest(p_causes, p_became, p_arguments) f (id, became, arguments)
    cross join lateral (select * from trigger_cause c where c.cause_id = f.id offset 0) c
    cross join lateral (select * from trigger_definition d
                        where d.app_id = c.app_id and d.trigger_id = c.trigger_id offset 0) d;
    delete from trigger_cause c
    where c.cause_id = any (p_causes || array(
        select p from unnest(p_causes) f (id)
        cross join lateral (select x.partners from trigger_cause x where x.cause_id = f.id offset 0) x
        cross join lateral unnest(x.partners) p));
    return p_became;
end $$;

-- What triggers have fired or dropped, the latest first; p_trigger null: all of them.
create or replace function {schema}.fired(p_app text, p_trigger text, p_limit integer)
returns table (trigger_id text, task_id text, causes text, arguments text, invocation_id uuid, reason text,
               fired_at timestamptz)
language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    if p_trigger is null then
        return query
        select r.trigger_id, r.task_id, r.causes::text, r.arguments::text, r.invocation_id, r.reason, r.fired_at
        from trigger_run r where r.app_id = p_app
        order by r.fired_at desc, r.run_id desc limit p_limit;
    else
        return query
        select r.trigger_id, r.task_id, r.causes::text, r.arguments::text, r.invocation_id, r.reason, r.fired_at
        from trigger_run r where r.app_id = p_app and r.trigger_id = p_trigger
        order by r.fired_at desc, r.run_id desc limit p_limit;
    end if;
end $$;

-- Those of p_ids that fit, in their order, p_limit at most. Internal to list_invocations.
create or replace function {schema}.fitting(
    p_app text, p_filter json, p_statuses text[], p_ids uuid[], p_limit integer
) returns table (
    invocation_id uuid, task_id text, queue text, status text, reason text, runner_id text, arguments text,
    error text, retries integer, recoveries integer, parent_id uuid, workflow_id uuid,
    registered_at timestamptz, status_at timestamptz, finished_at timestamptz, due_at timestamptz
) language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    select i.invocation_id, i.task_id, i.queue, coalesce(o.status, s.status)::text,
           coalesce(o.reason, s.reason), coalesce(o.runner_id, s.runner_id), i.arguments::text,
           case when o.status = 'failed' then o.value::text end,
           coalesce(o.retries, s.retries), coalesce(o.recoveries, s.recoveries), i.parent_id,
           coalesce(i.workflow_id, i.invocation_id), i.registered_at, coalesce(o.finished_at, s.status_at),
           o.finished_at, s.due_at
    from unnest(p_ids) with ordinality u (id, n)
    cross join lateral (select * from invocation c where c.invocation_id = u.id offset 0) i
    left join lateral (select * from invocation_state c where c.invocation_id = u.id offset 0) s on true
    left join lateral (select * from invocation_outcome c where c.invocation_id = u.id offset 0) o on true
    where i.app_id = p_app
      and (p_filter->>'task' is null or i.task_id = p_filter->>'task')
      and (p_filter->>'queue' is null or i.queue = p_filter->>'queue')
      and (p_statuses = '{}' or coalesce(o.status, s.status)::text = any (p_statuses))
      and (p_filter->>'runner' is null or coalesce(o.runner_id, s.runner_id) = p_filter->>'runner')
      and (p_filter->>'workflow' is null
           or coalesce(i.workflow_id, i.invocation_id) = (p_filter->>'workflow')::uuid)
      and (p_filter->>'since' is null or i.registered_at >= (p_filter->>'since')::timestamptz)
      and (p_filter->>'until' is null or i.registered_at < (p_filter->>'until')::timestamptz)
      and (p_filter->>'error' is null
           or o.status = 'failed' and strpos(lower(o.value::text), p_filter->>'error') > 0)
      and (p_filter->>'ended_after' is null or o.finished_at is null
           or o.finished_at >= (p_filter->>'ended_after')::timestamptz)
      -- The second look costs more, and few come to it.
      and case when p_filter->>'containing' is null then true
          when not exists (select from json_array_elements_text(p_filter->'containing') w
                           where strpos(lower(i.arguments::text), w) > 0) then false
          when p_filter->>'masked' is null then true
          else exists (
              select from json_each(i.arguments) a, json_array_elements_text(p_filter->'containing') w
              where strpos(lower(a.value::text), w) > 0 and a.key !~* (p_filter->>'masked')
                and a.value::text !~* (p_filter->>'masked_inside')) end
      and not exists (select from json_each_text(coalesce(p_filter->'arguments', '{}')) a
                      where i.arguments->>a.key is distinct from a.value
                         or a.key ~* (p_filter->>'masked')
                         or (i.arguments->a.key)::text ~* (p_filter->>'masked_inside'))
    order by u.n limit p_limit;
end $$;

-- Removes those of these lanes that nobody needs any more, or claims would walk over them. Internal;
-- answers how many. Locks: lanes (skip locked: whoever holds one is about to need it).
create or replace function {schema}.forget_lanes(p_lanes bigint[]) returns integer
language plpgsql as $$
declare
    v_gone integer := 0;
begin
    p_lanes := array(
        select l.lane_id from lane l
        where l.lane_id = any (p_lanes) and starts_since(l, clock_timestamp()) = 0
          and not exists (select from slot x where x.lane = l.lane_id offset 0)
          and not exists (select from invocation_state s
                          where s.lane = l.lane_id and s.lane is not null offset 0)
        for update skip locked);
    if p_lanes <> '{}' then
        -- A new statement, now that no call can join them: those that are idle still.
        delete from lane l where l.lane_id = any (p_lanes) and not exists (
            select from invocation_state s where s.lane = l.lane_id and s.lane is not null offset 0);
        get diagnostics v_gone = row_count;
    end if;
    return v_gone;
end $$;

-- Gives a call that is being registered the steps of another run before a path, and the data of its
-- workflow: in the statement that registers it, whose answer it passes on. Raises: PN014 there is no
-- such run, PN027 it became another invocation. Locks: that run against its removal.
create or replace function {schema}.fork_steps(p_app text, p_from uuid, p_before text, p_id uuid, p_became uuid[])
returns uuid[] language plpgsql {definer} as $$
declare
    v_before constant integer[] := string_to_array(p_before, '.')::integer[];
    v_data   uuid;
begin
    perform check_isolation();
    perform from invocation i where i.invocation_id = p_from for key share;
    select w.workflow_id into v_data from workflow w where w.invocation_id = p_from and w.app_id = p_app;
    if not found then
        raise exception 'invocation % is no run of a workflow', p_from using errcode = 'PN014';
    elsif p_became[1] <> p_id then
        raise exception 'the fork became invocation %, which was there already', p_became[1]
            using errcode = 'PN027';
    end if;
    insert into workflow (invocation_id, app_id, workflow_id, began_at, forked_from)
    values (p_id, p_app, p_id, clock_timestamp(), p_from) on conflict do nothing;
    if not found then
        return p_became;  -- a repetition
    end if;
    insert into workflow_step (invocation_id, app_id, path, run, kind, about, value, retries, survived, key,
                               event_id, child_id, at)
    select p_id, p_app, s.path, s.run, s.kind, s.about, s.value, 0, s.survived, s.key, s.event_id,
           s.child_id, s.at
    from workflow_step s
    where s.invocation_id = p_from and string_to_array(s.path, '.')::integer[] < v_before
    order by s.step_id;
    insert into workflow_data (workflow_id, app_id, key, value, set_by, set_at)
    select p_id, p_app, d.key, d.value, d.set_by, d.set_at from workflow_data d where d.workflow_id = v_data;
    return p_became;
end $$;

-- Makes ready what was set aside and a live runner can take, p_limit at most; answers how many. Internal;
-- the caller has taken lock_tasks.
-- Moves nothing: due_at is cleared. Locks: the rows by id.
create or replace function {schema}.free_aside(p_app text, p_limit integer) returns integer language plpgsql as $$
declare
    v_ids  uuid[];
    v_live uuid[];
    v_done integer;
begin
    -- Of those that are alike one is looked at: there may be a great many.
    with kind as materialized (
        select distinct a.task_id, a.queue, a.names, a.refused_by from aside a
        where a.app_id = p_app and a.freed_at is null
    ), able as materialized (
        select k.* from kind k where is_able(p_app, k.task_id, k.queue, k.names, k.refused_by)
    )
    select array(
        select a.invocation_id from able b cross join lateral (
            select a.invocation_id from aside a
            where a.app_id = p_app and a.task_id = b.task_id and a.freed_at is null
              and a.queue = b.queue and a.names = b.names and a.refused_by = b.refused_by) a
        limit p_limit)
    into v_ids;
    if v_ids = '{}' then
        return 0;
    end if;
    perform from invocation_state s where s.invocation_id = any (v_ids)
    order by s.invocation_id for no key update;
    v_live := array(
        select d.id from unnest(v_ids) d (id) cross join lateral (
            select s.due_at from invocation_state s where s.invocation_id = d.id offset 0) s
        where s.due_at is not null);  -- others were cancelled meanwhile
    update invocation_state s set due_at = null, previous_status = s.status
    where s.invocation_id = any (v_live);
    v_done := cardinality(v_live);
    update aside a set freed_at = clock_timestamp() where a.invocation_id = any (v_ids);
    if v_done > 0 then
        perform notify(p_app, 'work');
    end if;
    return v_done;
end $$;

-- Frees the slots of invocations that are no longer owned, lets the next parked ones try again
-- and tells the runners; lanes without work go. Internal; the lanes are locked by the caller.
create or replace function {schema}.free_slots(
    p_app text, p_lanes bigint[], p_ids uuid[], p_changed_by text
) returns void language plpgsql as $$
begin
    delete from slot x where x.invocation_id = any (p_ids);
    if reroute_parked(p_lanes, p_changed_by) or exists (
        select from invocation_state s where s.due_at is null
        and s.lane = any (array(select l.lane_id from lane l where l.lane_id = any (p_lanes)
                                and (l.next_at is null or l.next_at <= clock_timestamp())))
        and s.lane is not null and s.available and not s.parked
    ) then
        perform rouse(p_app, null, cardinality(p_lanes));
    end if;
    perform forget_lanes(p_lanes);
end $$;

-- What an invocation was called with beside its arguments, and the lease of its owner, which proves to the
-- verbs of workers alone that it is theirs; no row if it is unknown.
create or replace function {schema}.get_call(p_app text, p_id uuid)
returns table (priority double precision, options text, retried_from uuid, lease bigint)
language plpgsql stable {definer} as $$
begin
    return query
    select i.priority::double precision, i.options::text, i.retried_from, s.lease
    from invocation i left join invocation_state s on s.invocation_id = i.invocation_id
    where i.invocation_id = p_id and i.app_id = p_app;
end $$;

-- Takes from a runner, at its own word, what it holds: release and crash. Internal. Answers those lost.
-- p_max_recoveries null: it stops them, and nothing is spent. Else a process of it has died of them:
-- begun work counts a recovery, and is quarantined beyond so many.
-- Locks: lanes by key, then rows by id.
create or replace function {schema}.give_back(
    p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_max_recoveries integer
) returns uuid[] language plpgsql as $$
declare
    v_now   timestamptz := clock_timestamp();
    v_lanes bigint[];
    v_done  uuid[];
begin
    perform check_isolation();
    v_lanes := lock_lanes(p_ids);
    with mine as materialized (
        select s.invocation_id
        from (select * from unnest(p_ids, p_leases) h (id, lease) order by id) h cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = h.id and s.lease = h.lease
              and s.runner_id is not distinct from p_runner
            offset 0 for no key update) s
    ), given as (
        update invocation_state s
        set status = case when s.status = 'pending' then 'rerouted'
                          when p_max_recoveries is null then 'killed'
                          else 'running_recovery' end::invocation_status,
            previous_status = s.status, status_at = greatest(v_now, s.status_at), reason = null,
            runner_id = null, rev = s.rev + 1, proof = s.lease + s.rev + 1, changed_by = p_runner,
            recoveries = s.recoveries + (p_max_recoveries is not null and s.status <> 'pending')::int
        from mine m where s.invocation_id = any (array[m.invocation_id])
        returning s.invocation_id
    )
    select array(select g.invocation_id from given g) into v_done;
    -- One statement cannot change a row twice.
    if p_max_recoveries is not null then
        perform quarantine(v_done, p_max_recoveries);
    end if;
    perform reroute_stopped(v_done, p_runner);
    if v_lanes is not null then
        perform free_slots(p_app, v_lanes, v_done, p_runner);
    end if;
    if v_done <> '{}' then
        delete from wait_edge e where e.waiter_id = any (v_done);
        perform notify(p_app, 'work');
    end if;
    return array(select h.id from unnest(p_ids) h (id) where h.id <> all (v_done));
end $$;

-- Marks what is waited for, so that claims take it first, the deepest before the others. Internal
-- to pause. Rows that somebody else has locked are taken or changed just now: they are left out.
-- Two statements: PostgreSQL 18.6 crashed where an UPDATE looked for the partition of each depth.
create or replace function {schema}.hasten(p_app text, p_ids uuid[]) returns void
language plpgsql as $$
declare
    v_ids    uuid[];
    v_depths integer[];
begin
    select array_agg(s.invocation_id), array_agg(i.depth) into v_ids, v_depths
    from (select s.invocation_id from unnest(p_ids) a (id) cross join lateral (
              select s.invocation_id from invocation_state s
              where s.invocation_id = a.id and s.awaited is null and s.runner_id is null
              offset 0 for no key update skip locked) s offset 0) s
    cross join lateral (
        select i.depth from invocation i where i.invocation_id = s.invocation_id offset 0) i;
    if v_ids is not null then
        update invocation_state s set awaited = m.depth, previous_status = s.status
        from unnest(v_ids, v_depths) m (id, depth) where s.invocation_id = any (array[m.id]);
        perform rouse(p_app, null, cardinality(v_ids));  -- a claim that met them locked has passed them by
    end if;
end $$;

-- What a runner holds now, the longest first: for people.
create or replace function {schema}.held_by(p_app text, p_runner text, p_limit integer)
returns table (invocation_id uuid, task_id text, status text, status_at timestamptz, arguments text)
language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    select s.invocation_id, i.task_id, s.status::text, s.status_at, i.arguments::text
    from (select * from invocation_state h where h.runner_id = p_runner limit p_limit) s
    cross join lateral (select * from invocation c where c.invocation_id = s.invocation_id offset 0) i
    where s.app_id = p_app
    order by s.status_at;
end $$;

-- The status changes of several invocations until p_until, the latest p_each of each, in their order: for a
-- timeline. Partitions from before an invocation was made are not looked at.
create or replace function {schema}.histories(
    p_app text, p_ids uuid[], p_until timestamptz default 'infinity', p_each integer default 200
) returns table (invocation_id uuid, rev integer, status text, reason text, runner_id text, at timestamptz)
language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    select h.invocation_id, h.rev, h.status::text, h.reason, h.runner_id, h.at
    from unnest(p_ids) with ordinality u (id, n)
    cross join lateral (
        select * from invocation_history h
        where h.invocation_id = u.id and h.at >= id_time(u.id) - interval '1 day' and h.at <= p_until
        order by h.rev desc limit p_each) h
    where h.app_id = p_app
    order by u.n, h.rev;
end $$;

-- Every status change of one invocation, oldest first, each with the exception that caused it:
-- of an attempt that is tried again, and of the one that failed.
create or replace function {schema}.history(p_app text, p_id uuid)
returns table (rev integer, previous_status text, status text, reason text, runner_id text,
               changed_by text, at timestamptz, error text)
language plpgsql stable {definer} as $$
begin
    return query
    select h.rev, h.previous_status::text, h.status::text, h.reason, h.runner_id,
           coalesce(h.changed_by, h.runner_id), h.at, coalesce(e.error, o.value)::text
    from invocation_history h
    left join invocation_error e on e.invocation_id = p_id and e.rev = h.rev
    left join invocation_outcome o
           on o.invocation_id = p_id and o.rev = h.rev and o.status = 'failed'
    where h.invocation_id = p_id and h.app_id = p_app
    order by h.rev;
end $$;

-- Sees to it that payloads are there, and stay until this transaction ends; answers the names of those
-- that are not (null: none), for which the caller sends the content then. Names are SHA-256 in
-- hexadecimal digits; the contents belong to the first of them.
-- Locks: payloads by name: key share, as a reference does. Raises: 23514 a name that is none.
create or replace function {schema}.hold(
    p_app text, p_hashes text[], p_contents bytea[] default '{}', p_codecs text[] default '{}'
) returns text[] language plpgsql {definer} as $$
declare
    v_missing text[];
begin
    perform check_isolation();
    -- One that is there already counts as new, or it might be collected before anybody refers to it.
    insert into payload as p (app_id, sha256, bytes, codec)
    select distinct on (n.name) p_app, decode(n.name, 'hex'), n.content, n.codec
    from unnest(p_hashes[:cardinality(p_contents)], p_contents, p_codecs) n (name, content, codec)
    order by n.name
    on conflict (app_id, sha256) do update set created_at = clock_timestamp()
    where p.created_at < clock_timestamp() - interval '1 hour';
    -- A new statement: what is collected at this moment is waited for, and found missing.
    with here as materialized (
        select l.name from (select name from unnest(p_hashes) name order by name) l
        cross join lateral (
            select from payload p where p.app_id = p_app and p.sha256 = decode(l.name, 'hex')
            offset 0 for key share) x
    )
    select array_agg(w.name) into v_missing
    from unnest(p_hashes) w (name) where w.name not in (select h.name from here h);
    return v_missing;
end $$;

-- Of invocations, by id, those below which nothing is live: of what they have called, and of what that has.
-- All at once, each looked at once: one by one the links of a chain would each go down to its end. It goes no
-- further down where a child is live. Internal to unreferred.
create or replace function {schema}.idle_below(p_ids uuid[]) returns uuid[] language plpgsql stable as $$
begin
    return array(
        with recursive below (id, holds) as (
            select b.id, l.found from unnest(p_ids) b (id) cross join lateral (
                select exists (select from (select c.invocation_id from invocation c where c.parent_id = b.id offset 0) c
                               cross join lateral (select from invocation_state s
                                                   where s.invocation_id = c.invocation_id offset 0) s) as found) l
            union
            select b.id, l.found from below a cross join lateral (
                select c.invocation_id as id from invocation c where c.parent_id = a.id offset 0) b
            cross join lateral (
                select exists (select from (select c.invocation_id from invocation c where c.parent_id = b.id offset 0) c
                               cross join lateral (select from invocation_state s
                                                   where s.invocation_id = c.invocation_id offset 0) s) as found) l
            where not a.holds
        ), above (id) as (
            select b.id from below b where b.holds
            union
            select i.parent_id from above a cross join lateral (
                select i.parent_id from invocation i where i.invocation_id = a.id offset 0) i
            where i.parent_id is not null
        )
        select u.id from unnest(p_ids) u (id) except select a.id from above a);
end $$;

-- Whether a runner that is believed alive takes work of the queue and has a task that takes arguments of
-- these names; those that have refused it do not count. Internal.
create or replace function {schema}.is_able(
    p_app text, p_task text, p_queue text, p_names text[], p_refused_by text[]
) returns boolean language plpgsql stable as $$
begin
    return exists (
        select from (select k.* from runner_task k
                     where k.app_id = p_app and k.task_id = p_task offset 0) k
        join runner r on r.runner_id = k.runner_id
        join task t on t.app_id = k.app_id and t.task_id = k.task_id and t.fingerprint = k.fingerprint
        cross join lateral misfit(t.parameters, p_names) m
        where r.dead_at is null
          and r.lease_until >= clock_timestamp()
          and (r.queues = '{}' or r.queues && array[p_queue, '*'])
          and r.runner_id <> all (p_refused_by) and m.missing = '{}' and m.unknown = '{}');
end $$;

-- Whether a runner of the app that is believed alive serves a queue.
create or replace function {schema}.is_served(p_app text, p_queue text)
returns boolean language plpgsql stable {definer} as $$
begin
    return exists (select from runner r
                   where r.app_id = p_app and r.dead_at is null
                     and r.lease_until >= clock_timestamp()
                     and (r.queues = '{}' or r.queues && array[p_queue, '*']));
end $$;

-- The latest invocations of an app that fit a filter, newest first, older than p_before: for people. It looks
-- at some thousand at a time by an index, and stops when it has p_limit of them, or after p_patience; then a
-- last row, with looked_to alone, says from where to go on.
-- p_filter: task, queue, statuses, since and until (of the call), arguments (an object: as ->> gives them), runner,
-- parent, workflow, error (a part of its text, in lower case), containing (any of these texts in the arguments, in
-- lower case), ended_after (or not ended); masked and masked_inside: what the name of an argument, or its value,
-- must not look like to be searched.
create or replace function {schema}.list_invocations(
    p_app text, p_filter json, p_before uuid, p_limit integer, p_patience interval
) returns table (
    invocation_id uuid, task_id text, queue text, status text, reason text, runner_id text, arguments text,
    error text, retries integer, recoveries integer, parent_id uuid, workflow_id uuid,
    registered_at timestamptz, status_at timestamptz, finished_at timestamptz, due_at timestamptz,
    looked_to uuid
) language plpgsql stable {definer} as $$
#variable_conflict use_column
declare
    v_until    constant timestamptz := clock_timestamp() + p_patience;
    v_statuses constant text[] := array(select json_array_elements_text(p_filter->'statuses'));
    v_parent   constant uuid := p_filter->>'parent';
    v_live     constant boolean := v_statuses <> '{}' and not v_statuses
                                   && array['success', 'failed', 'concurrency_controlled_final'];
    v_final    constant boolean := p_filter->>'error' is not null or v_statuses <> '{}' and v_statuses
                                   <@ array['success', 'failed', 'concurrency_controlled_final'];
    v_owned    constant boolean := v_live and v_statuses <@ array['pending', 'running', 'paused', 'resumed'];
    -- Ids carry the time of the clock of whoever made them, which may be a day off.
    v_from     constant uuid := coalesce(first_id((p_filter->>'since')::timestamptz - interval '1 day'),
                                         '00000000-0000-0000-0000-000000000000');
    v_after    constant timestamptz := p_filter->>'ended_after';
    -- What is looked at by one index costs less than what is looked up in three tables.
    v_most     constant integer := case when (v_after is not null or v_final) and p_filter->>'error' is null
                                    then 20000 else 4000 end;
    v_before   uuid := least(p_before, first_id((p_filter->>'until')::timestamptz + interval '1 day'));
    v_left     integer := p_limit;
    v_chunk    integer := 2 * p_limit;
    v_found    integer;
    v_seen     uuid[];
    v_fit      uuid[];
begin
    v_before := coalesce(v_before, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
    loop
        if v_parent is not null then
            -- By themselves, or they would be looked for among all, newest first, where statistics say so.
            v_seen := array(
                select i.invocation_id from (select c.* from invocation c where c.parent_id = v_parent offset 0) i
                where i.invocation_id < v_before order by i.invocation_id desc limit v_chunk);
        elsif v_owned then
            v_seen := array(
                select s.invocation_id from runner r cross join lateral (
                    select c.invocation_id from invocation_state c
                    where c.runner_id = r.runner_id and c.runner_id is not null offset 0) s
                where r.app_id = p_app and s.invocation_id < v_before
                  and (p_filter->>'runner' is null or r.runner_id = p_filter->>'runner')
                order by s.invocation_id desc limit v_chunk);
        elsif v_live then
            v_seen := array(select s.invocation_id from invocation_state s where s.invocation_id < v_before
                            and s.invocation_id >= v_from order by s.invocation_id desc limit v_chunk);
        elsif v_final then
            select array_agg(x.id), coalesce(array_agg(x.id) filter (where x.fits), '{}') into v_seen, v_fit from (
                select o.invocation_id as id, (v_statuses = '{}' or o.status::text = any (v_statuses))
                       and (v_after is null or o.finished_at >= v_after)
                       and (p_filter->>'error' is null
                            or o.status = 'failed' and strpos(lower(o.value::text), p_filter->>'error') > 0) as fits
                from invocation_outcome o where o.invocation_id < v_before and o.invocation_id >= v_from
                order by o.invocation_id desc limit v_chunk) x;
        elsif v_after is not null then
            select array_agg(x.id), coalesce(array_agg(x.id) filter (where x.fits), '{}') into v_seen, v_fit from (
                (select s.invocation_id as id, true as fits
                 from invocation_state s where s.invocation_id < v_before and s.invocation_id >= v_from
                 order by s.invocation_id desc limit v_chunk)
                union all
                (select o.invocation_id, o.finished_at >= v_after
                 from invocation_outcome o where o.invocation_id < v_before and o.invocation_id >= v_from
                 order by o.invocation_id desc limit v_chunk)
                order by id desc limit v_chunk) x;
        else
            v_seen := array(select i.invocation_id from invocation i where i.invocation_id < v_before
                            and i.invocation_id >= v_from order by i.invocation_id desc limit v_chunk);
        end if;
        return query
        select f.*, null::uuid
        from fitting(p_app, p_filter, v_statuses, coalesce(v_fit, v_seen), v_left) f;
        get diagnostics v_found = row_count;
        v_left := v_left - v_found;
        exit when v_left <= 0 or coalesce(cardinality(v_seen), 0) < v_chunk;
        v_before := v_seen[v_chunk];
        if clock_timestamp() > v_until then
            looked_to := v_before;
            return next;
            exit;
        end if;
        v_chunk := least(2 * v_chunk, v_most);
    end loop;
end $$;

-- Locks the lanes of these invocations, by key: the first lock of every verb that may free a slot.
-- Internal; answers the lanes, null where there are none.
create or replace function {schema}.lock_lanes(p_ids uuid[]) returns bigint[]
language plpgsql as $$
declare
    v_lanes bigint[];
begin
    select array_agg(distinct s.lane) filter (where s.lane is not null) into v_lanes
    from invocation_state s where s.invocation_id = any (p_ids);
    if v_lanes is not null then
        perform from lane l where l.lane_id = any (v_lanes) order by l.key for no key update;
    end if;
    return v_lanes;
end $$;

-- One at a time per app: a runner that tells what it knows, and one that sets aside what it cannot take.
-- Else each might miss the other, and work be set aside that somebody can take. Internal. The first lock.
create or replace function {schema}.lock_tasks(p_app text) returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock(lock_space(), -2000000 - (hashtext(p_app) & 1048575));
end $$;

-- The first lock of a wait; answers whether it can close no circle. Internal to pause.
-- A circle has a wait for somebody else's work, or runs through a concurrency key. Those take the
-- lock alone, so that of two that close one together the second sees the first. A wait for one's
-- own children, who wait for nobody yet and have no key, can only be the beginning of one: such
-- waits share it.
create or replace function {schema}.lock_waits(p_app text, p_id uuid, p_awaited uuid[])
returns boolean language plpgsql as $$
declare
    v_lock constant bigint := hashtextextended('{schema_name}.waits.' || p_app, 0);
begin
    if own_children(p_id, p_awaited) then
        begin
            perform pg_advisory_xact_lock_shared(v_lock);
            -- A new statement: what they did while we waited for the lock counts.
            if own_children(p_id, p_awaited) then
                return true;
            end if;
            raise object_not_in_prerequisite_state;
        exception when object_not_in_prerequisite_state then
            null;  -- undone is the shared lock: two that hold it could never get it alone
        end;
    end if;
    perform pg_advisory_xact_lock(v_lock);
    return false;
end $$;

-- House-keeping, hourly, by any one runner: partitions ahead, idle lanes gone, what runners knew and what
-- was set aside, events and firings of more than a week ago. Answers what it did.
create or replace function {schema}.maintain(p_app text) returns text[]
language plpgsql {definer} as $$
declare
    v_did    text[];
    v_gone   integer;
    v_parked bigint[];
begin
    perform check_isolation();
    insert into retention (app_id) values (p_app) on conflict do nothing;
    v_did := array(select 'made ' || name from unnest(ensure_partitions()) name);
    v_gone := forget_lanes(array(
        select l.lane_id from lane l
        where l.app_id = p_app and starts_since(l, clock_timestamp()) = 0
          and not exists (select from slot x where x.lane = l.lane_id)
          and not exists (select from invocation_state s where s.lane = l.lane_id and s.lane is not null)
        order by l.key limit 10000));
    if v_gone > 0 then
        v_did := v_did || format('removed %s idle lanes', v_gone);
    end if;
    perform lock_tasks(p_app);
    v_gone := free_aside(p_app, 100000);  -- nothing waits for it: whoever can take it frees it when it comes
    if v_gone > 0 then
        v_did := v_did || format('freed %s set aside', v_gone);
    end if;
    delete from aside a where a.app_id = p_app
    and not exists (select from invocation_state s where s.invocation_id = a.invocation_id);
    delete from task t where t.app_id = p_app
    and exists (select from task n where n.app_id = t.app_id and n.task_id = t.task_id
                and n.told_at > t.told_at)
    and not exists (select from runner_task k where k.app_id = t.app_id and k.task_id = t.task_id
                    and k.fingerprint = t.fingerprint);
    v_gone := drop_causes(p_app, array(  -- was on its way when they went
        select d.trigger_id from trigger_definition d where d.app_id = p_app and d.removed_at is not null));
    if v_gone > 0 then
        v_did := v_did || format('dropped %s causes of triggers that are no more', v_gone);
    end if;
    v_parked := array(
        select c.cause_id from trigger_cause c
        where c.app_id = p_app and c.state = 'parked' and c.at < clock_timestamp() - interval '7 days'
        order by c.cause_id for update skip locked);
    if v_parked <> '{}' then
        insert into trigger_run (app_id, trigger_id, version, task_id, cause_id, causes, reason, fired_at)
        select p_app, c.trigger_id, d.version, d.task_id, c.cause_id, cause_as_json(c), 'parked', clock_timestamp()
        from trigger_cause c
        join trigger_definition d on d.app_id = c.app_id and d.trigger_id = c.trigger_id
        where c.cause_id = any (v_parked);
        delete from trigger_cause c where c.cause_id = any (v_parked || array(
            select p from trigger_cause x cross join lateral unnest(x.partners) p
            where x.cause_id = any (v_parked)));
        v_did := v_did || format('dropped %s causes that were parked for a week', cardinality(v_parked));
    end if;
    delete from trigger_definition d
    where d.app_id = p_app and d.removed_at < clock_timestamp() - interval '7 days';
    delete from trigger_cause c where c.app_id = p_app
    and not exists (select from trigger_definition d
                    where d.app_id = c.app_id and d.trigger_id = c.trigger_id);
    delete from trigger_run r
    where r.app_id = p_app and r.fired_at < clock_timestamp() - interval '7 days';
    delete from workflow_wait w where w.app_id = p_app
    and not exists (select from invocation_state s where s.invocation_id = w.invocation_id);
    delete from event e
    where e.app_id = p_app and e.emitted_at < clock_timestamp() - interval '7 days'
    and not exists (select from trigger_cause c where c.source_id = e.event_id and c.app_id = p_app)
    and not exists (select from invocation_state s where s.invocation_id = e.workflow_id);
    return v_did || drop_old_partitions();
end $$;

-- House-keeping, with what the app keeps, in seconds: what has ended, and history. See maintain.
-- Raises: nothing of its own.
create or replace function {schema}.maintain_2(
    p_app text, p_finished double precision, p_history double precision
) returns text[] language plpgsql {definer} as $$
begin
    perform check_isolation();
    insert into retention as r (app_id, finished, history, told_at)
    values (p_app, p_finished, p_history, clock_timestamp())
    on conflict (app_id) do update
    set finished = excluded.finished, history = excluded.history, told_at = excluded.told_at;
    return maintain(p_app);
end $$;

-- Makes one partition and gives it the triggers that it does not inherit. Internal.
create or replace function {schema}.make_partition(p_parent text, p_name text, p_from timestamptz)
returns void language plpgsql set search_path = {schema}, pg_catalog, pg_temp
set timezone = 'UTC' as $$
declare
    v_by_day boolean := p_parent = 'invocation_history';
    v_column text := case when v_by_day then 'at' when p_parent = 'workflow_data' then 'workflow_id'
                              else 'invocation_id' end;
    v_until  timestamptz := p_from + case when v_by_day then interval '1 day' else interval '7 days' end;
    v_low    text := case when v_by_day then p_from::text else first_id(p_from)::text end;
    v_high   text := case when v_by_day then v_until::text else first_id(v_until)::text end;
begin
    execute format('create table %I (like %I including all)', p_name, p_parent);
    execute format('alter table %I add constraint bounds check (%I >= %L and %I < %L)',
                   p_name, v_column, v_low, v_column, v_high);
    execute format('alter table %I attach partition %I for values from (%L) to (%L)',
                   p_parent, p_name, v_low, v_high);
    execute format('alter table %I drop constraint bounds', p_name);
    execute format('create trigger guard_truncate before truncate on %I '
                   'for each statement execute function refuse_change()', p_name);
    if v_by_day then  -- without a key: it could not be pruned where somebody publishes all tables
        execute format('alter table %I replica identity full', p_name);
    end if;
    if p_parent = 'invocation_outcome' then
        execute format('create trigger guard_outcome after insert on %I '
                       'referencing new table as new_rows '
                       'for each statement execute function guard_outcome()', p_name);
    end if;
end $$;

-- Whether what has happened may meet a condition: false only where that is certain. A text with a marker
-- of the wire format says something that only its reader knows. Internal to record_causes and emit.
create or replace function {schema}.may_meet(p_wanted jsonb, p_found json) returns boolean
language plpgsql immutable as $$
begin
    if p_wanted is null or p_found is null or strpos(p_found::text, '"$') > 0
       or strpos(lower(p_found::text), '"\u0024') > 0 then
        return true;
    end if;
    begin
        return p_found::jsonb @> p_wanted;
    exception when data_exception or program_limit_exceeded then  -- jsonb cannot have all that json can
        return true;
    end;
end $$;

-- How arguments of these names do not fit parameters: which are missing, which nobody takes. A signature
-- is none of them. Internal.
create or replace function {schema}.misfit(
    p_parameters json, p_names text[], out missing text[], out unknown text[]
) language plpgsql immutable as $$
begin
    select coalesce(array_agg(p.name order by p.n) filter (where p.required and p.name <> all (p_names)), '{}')
    into missing
    from (select e->>'name' as name, (e->>'required')::boolean as required, n
          from json_array_elements(p_parameters) with ordinality x (e, n)) p;
    unknown := '{}';
    if not exists (select from json_array_elements(p_parameters) e where e->>'kind' = 'var_keyword') then
        unknown := array(select a.name from unnest(p_names) a (name)
                         where a.name <> '$sig' and not exists (select from json_array_elements(p_parameters) e
                                           where e->>'name' = a.name));
    end if;
end $$;

-- Rows that belong to two apps at once. Internal to broken.
create or replace function {schema}.mixed_apps(p_app text, p_from uuid, p_limit integer) returns table (invariant text, rule text, about text[])
language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    (select 'I12', 'stands in another app than its call', array[x.invocation_id::text, x.stands, i.app_id, x.app_id]
     from (select s.invocation_id, s.app_id, 'state' as stands from invocation_state s
           union all
           select o.invocation_id, o.app_id, 'outcome' from invocation_outcome o where o.invocation_id >= p_from
           union all
           select w.invocation_id, w.app_id, 'workflow' from workflow w where w.invocation_id >= p_from
           union all
           select e.awaited_id, e.app_id, 'wait' from wait_edge e) x
     join invocation i on i.invocation_id = x.invocation_id
     where i.app_id <> x.app_id and (p_app is null or p_app in (i.app_id, x.app_id))
     limit p_limit)
    union all
    (select 'I12', 'is in the queue of a key of another app', array[s.invocation_id::text, s.app_id, l.app_id]
     from invocation_state s join lane l on l.lane_id = s.lane
     where s.app_id <> l.app_id and (p_app is null or p_app in (s.app_id, l.app_id))
     limit p_limit)
    union all
    (select 'I12', 'is held by a runner of another app', array[s.invocation_id::text, s.app_id, r.app_id]
     from invocation_state s join runner r on r.runner_id = s.runner_id
     where s.app_id <> r.app_id and (p_app is null or p_app in (s.app_id, r.app_id))
     limit p_limit);
end $$;

-- A UUIDv7 of the database's time: 48 bits of milliseconds, 12 of their fraction, the rest by chance. So
-- ids of one session stand in the order in which they were made.
create or replace function {schema}.new_id() returns uuid language plpgsql volatile as $$
declare
    v_ms numeric := extract(epoch from clock_timestamp()) * 1000;
begin
    return overlay(
        replace(gen_random_uuid()::text, '-', '') placing
        lpad(to_hex(floor(v_ms)::bigint), 12, '0') || '7'
        || lpad(to_hex(floor((v_ms - floor(v_ms)) * 4096)::integer), 3, '0') from 1)::uuid;
end $$;

-- Seconds until a cause is to be looked at, of the triggers that the caller has (null: of any) and that
-- are not paused; null: there is none.
create or replace function {schema}.next_cause(
    p_app text, p_triggers text[] default null, p_versions text[] default null
) returns double precision language plpgsql stable {definer} as $$
begin
    return (select extract(epoch from min(c.due_at) - clock_timestamp())::double precision
    from unnest(triggers_with_causes(p_app)) n (id)
    cross join lateral (
        select d.trigger_id, d.version from trigger_definition d
        where d.app_id = p_app and d.trigger_id = n.id and d.paused_at is null and d.removed_at is null
        offset 0) d
    cross join lateral (
        select c.due_at from trigger_cause c
        where c.app_id = p_app and c.trigger_id = n.id and c.state = 'new' order by c.due_at limit 1) c
    where p_triggers is null or d.version = p_versions[array_position(p_triggers, d.trigger_id)]);
end $$;

-- Counts what a claim takes for the rate limits of its lanes; a lane that has used its limit up is
-- shut until the oldest start no longer counts. Internal to settle_slots: the lanes are locked.
-- Starts within a hundredth of the period are noted as one, at the time of the last: a lane has a
-- hundred entries at most, and never are there more starts in a period than its limit.
create or replace function {schema}.note_starts(
    p_app text, p_lanes bigint[], p_taken uuid[], p_now timestamptz
) returns void language plpgsql as $$
declare
    v_next timestamptz;
begin
    with noted as materialized (
        select l.lane_id, e.started, e.counts
        from lane l
        left join lateral (select count(*) as n from slot x
                           where x.lane = l.lane_id and x.invocation_id = any (p_taken)) t on true
        cross join lateral (
            select array_agg(m.at order by m.at) as started, array_agg(m.n order by m.at) as counts
            from (
                select max(s.at) as at, sum(s.n)::integer as n
                from (select * from unnest(l.started, l.started_count) o (at, n)
                      union all select p_now, t.n where t.n > 0) s
                where s.at > p_now - make_interval(secs => l.rate_period)
                group by floor(extract(epoch from s.at) * 100 / l.rate_period)) m) e
        where l.lane_id = any (p_lanes) and l.rate is not null
    ), shut as (
        update lane l
        set started = coalesce(n.started, '{}'), started_count = coalesce(n.counts, '{}'),
            next_at = case when l.rate <= (select sum(c) from unnest(n.counts) c)
                           then n.started[1] + make_interval(secs => l.rate_period) end
        from noted n where l.lane_id = any (array[n.lane_id])
        returning l.next_at
    )
    select min(s.next_at) into v_next from shut s;
    if v_next is not null then
        perform notify(p_app, 'due', to_json(extract(epoch from v_next - p_now)));
    end if;
end $$;

-- Locks lanes that have room and ready work, or work that must not wait, in the order of their turn;
-- answers them. Internal to take_slots.
create or replace function {schema}.offer_lanes(
    p_app text, p_queues text[], p_limit integer, p_now timestamptz
) returns bigint[] language plpgsql as $$
begin
    return array(
        select t.lane_id from (
            select q.n, x.* from unnest(p_queues) with ordinality q (name, n) cross join lateral (
                select l.lane_id, l.served, l.key from lane l
                where l.app_id = p_app and l.queue = q.name and l.open
                  and (exists (select from invocation_state s
                               where s.lane = l.lane_id and s.must_not_wait and s.due_at is null
                                 and s.available and not s.parked)
                       or (l.next_at is null or l.next_at <= p_now)
                          and l.slots > (select count(*) from slot x where x.lane = l.lane_id)
                          and exists (select from invocation_state s
                                      where s.lane = l.lane_id and s.lane is not null
                                        and s.due_at is null and s.available and not s.parked
                                      offset 0))
                order by l.served, l.key limit p_limit for no key update skip locked) x
            union all
            select 1, y.* from (
                select l.lane_id, l.served, l.key from lane l
                where l.queue is null and l.app_id is not distinct from p_app and l.open
                  and (exists (select from invocation_state s
                               where s.lane = l.lane_id and s.must_not_wait and s.due_at is null
                                 and s.available and not s.parked)
                       or (l.next_at is null or l.next_at <= p_now)
                          and l.slots > (select count(*) from slot x where x.lane = l.lane_id)
                          and exists (select from invocation_state s
                                      where s.lane = l.lane_id and s.lane is not null
                                        and s.due_at is null and s.available and not s.parked
                                      offset 0))
                order by l.served, l.key limit p_limit for no key update skip locked) y
        ) t order by t.n, t.served, t.key limit p_limit);
end $$;

-- Trigger of slot: a lane whose slots are all taken is shut, so that claims do not walk over it, and open
-- again with the first that is free. One with calls that must not wait stays open: a claim ends them.
-- The lanes are locked by whoever takes or frees slots.
create or replace function {schema}.open_lanes() returns trigger language plpgsql as $$
begin
    update {schema}.lane l set open = not l.open
    where l.lane_id = any (array(select distinct c.lane from changed c))
      and l.open <> (l.impatient or l.slots > (select count(*) from {schema}.slot x
                                               where x.lane = l.lane_id));
    return null;
end $$;

-- Of the queues asked for, in order, those that are not paused. None asked for means all of the app,
-- by name; * all that are not named beside it. Internal.
create or replace function {schema}.open_queues(p_app text, p_queues text[]) returns text[]
language plpgsql as $$
begin
    if p_queues = '{}' then
        return array(select q.queue from queue q where q.app_id = p_app and not q.paused order by q.queue);
    end if;
    if '*' = any (p_queues) then
        return array(select q.queue from queue q
                     where q.app_id = p_app and not q.paused
                     order by coalesce(array_position(p_queues, q.queue), array_position(p_queues, '*')),
                              q.queue);
    end if;
    return array(select q.queue from queue q
                 where q.app_id = p_app and q.queue = any (p_queues) and not q.paused
                 order by array_position(p_queues, q.queue));
end $$;

-- Whether these are children of the invocation that have no concurrency key and wait for nobody.
-- Internal to lock_waits.
create or replace function {schema}.own_children(p_id uuid, p_ids uuid[]) returns boolean
language plpgsql as $$
begin
    return not exists (select from wait_edge e where e.waiter_id = any (p_ids))
       and not exists (
           select from unnest(p_ids) a (id) cross join lateral (
               select s.lane from invocation_state s where s.invocation_id = a.id offset 0) s
           where s.lane is not null)
       and not exists (
           select from unnest(p_ids) a (id) left join lateral (
               select i.parent_id from invocation i where i.invocation_id = a.id offset 0) i on true
           where i.parent_id is distinct from p_id);
end $$;

-- These invocations, and what the live ones of them have themselves called as steps of workflows, down to
-- the last.
-- Internal to cancel.
create or replace function {schema}.own_steps(p_ids uuid[]) returns uuid[] language sql stable
begin atomic
    with recursive called (id) as (
        select unnest(p_ids)
        union
        select w.child_id from called c
        cross join lateral (select from {schema}.invocation_state s where s.invocation_id = c.id offset 0) s
        cross join lateral (select w.child_id from {schema}.workflow_step w
                            where w.invocation_id = c.id offset 0) w
        cross join lateral (select i.parent_id from {schema}.invocation i
                            where i.invocation_id = w.child_id offset 0) i
        where i.parent_id = c.id  -- another one's call, or that of the run it was forked from, is not its own
    )
    select array_agg(c.id order by c.id) from called c;
end;

-- Puts causes together that fire as one, and drops those that nobody came for; answers whether it was
-- done: not if one of them is not waiting any more. p_sets: arrays of causes, the first of each leads.
-- Locks: the trigger, then the causes by id.
create or replace function {schema}.pair_causes(p_app text, p_trigger text, p_sets json, p_dropped bigint[])
returns boolean language plpgsql {definer} as $$
declare
    v_now    timestamptz := clock_timestamp();
    v_all    bigint[];
    v_locked bigint;
begin
    perform check_isolation();
    perform from trigger_definition d where d.app_id = p_app and d.trigger_id = p_trigger for no key update;
    v_all := p_dropped || array(
        select m::bigint from json_array_elements(p_sets) s, json_array_elements_text(s) m);
    perform from trigger_cause c where c.cause_id = any (v_all) order by c.cause_id for update;
    select count(*) filter (where c.state = 'waiting' and c.app_id = p_app and c.trigger_id = p_trigger)
    into v_locked from trigger_cause c where c.cause_id = any (v_all);
    if v_locked <> cardinality(v_all) then
        return false;
    end if;
    insert into trigger_run (app_id, trigger_id, version, task_id, cause_id, causes, reason, fired_at)
    select p_app, p_trigger, d.version, d.task_id, c.cause_id, cause_as_json(c), 'alone', v_now
    from trigger_definition d join trigger_cause c on c.cause_id = any (p_dropped)
    where d.app_id = p_app and d.trigger_id = p_trigger;
    delete from trigger_cause c where c.cause_id = any (p_dropped);
    update trigger_cause c set state = 'joined'
    from json_array_elements(p_sets) s, json_array_elements_text(s) with ordinality m (id, n)
    where c.cause_id = any (array[m.id::bigint]) and m.n > 1;
    update trigger_cause c
    set state = 'new', due_at = v_now,
        partners = array(select m.id::bigint from json_array_elements_text(s.value) with ordinality m (id, n)
                         where m.n > 1)
    from json_array_elements(p_sets) s where c.cause_id = any (array[(s.value->>0)::bigint]);
    if json_array_length(p_sets) > 0 then
        perform notify(p_app, 'cause');
    end if;
    return true;
end $$;

-- Lets an invocation wait for others to end; answers the outcomes of those that have.
-- Moves: running, resumed -> paused, unless enough has ended: the first of p_awaited or, with
-- p_any, one of them. Again by its owner it adds what is waited for. The slot of its concurrency
-- key stays its own.
-- Locks: the waits of the app (its own children alone: shared), then rows by id.
-- Raises: PN002 it is not ours, PN012 the wait would never end, PN014 an id that nobody knows.
create or replace function {schema}.pause(
    p_app text, p_runner text, p_id uuid, p_lease bigint, p_awaited uuid[], p_any boolean,
    p_listener text
) returns table (
    invocation_id uuid, status text, value text, reason text, runner_id text, finished_at timestamptz)
language plpgsql {definer} as $$
declare
    v_now     timestamptz := clock_timestamp();
    v_tree    boolean;
    v_live    uuid[];
    v_held    boolean;
    v_unknown uuid;
begin
    perform check_isolation();
    v_tree := lock_waits(p_app, p_id, p_awaited);
    -- An end waits for us, a claim does not.
    perform from invocation_state s where s.invocation_id = any (p_awaited) and s.invocation_id < p_id
    order by s.invocation_id for key share;
    select true into v_held from invocation_state s
    where s.invocation_id = p_id and s.app_id = p_app and s.runner_id is not distinct from p_runner
      and s.lease = p_lease and s.status in ('running', 'resumed', 'paused') for no key update;
    if not found then
        raise exception 'invocation % cannot wait: runner % does not hold it', p_id, p_runner
            using errcode = 'PN002', hint = 'It was given to another runner; its task must stop.';
    end if;
    perform from invocation_state s where s.invocation_id = any (p_awaited) and s.invocation_id > p_id
    order by s.invocation_id for key share;

    -- A new statement: those that ended while we waited are gone from here.
    v_live := array(select a.id from unnest(p_awaited) a (id) where exists (
                        select from invocation_state s where s.invocation_id = a.id and s.app_id = p_app
                        offset 0));
    if cardinality(v_live) < cardinality(p_awaited) then
        select a.id into v_unknown from unnest(p_awaited) a (id)
        where a.id <> all (v_live) and not exists (
            select from outcomes(p_app, array[a.id])) limit 1;
        if found then
            raise exception 'invocation % waits for % that this app has never seen, or that was purged',
                    p_id, v_unknown
                using errcode = 'PN014', hint = 'Call the task again.';
        end if;
    end if;
    if p_any and cardinality(v_live) = cardinality(p_awaited)
       or not p_any and p_awaited[1] = any (v_live) then
        insert into wait_edge (app_id, awaited_id, waiter_id, listener, needed)
        select p_app, l.id, p_id, p_listener,
               case when p_any then 2 when l.id = p_awaited[1] then 1 else 0 end
        from unnest(v_live) l (id)
        on conflict (awaited_id, listener, (coalesce(waiter_id, '00000000-0000-0000-0000-000000000000'::uuid)))
        do update set needed = excluded.needed where excluded.needed > 0;
        if not v_tree then
            perform refuse_circle(p_id);
        end if;
        perform hasten(p_app, v_live);
        update invocation_state s
        set status = 'paused', previous_status = s.status, status_at = greatest(v_now, s.status_at),
            reason = null, rev = s.rev + 1, proof = s.lease + s.rev + 1, changed_by = p_runner
        where s.invocation_id = p_id and s.status <> 'paused';
    end if;
    if cardinality(v_live) = cardinality(p_awaited) then
        return;
    end if;
    return query select * from outcomes(p_app, array(
        select a.id from unnest(p_awaited) a (id) where a.id <> all (v_live)));
end $$;

-- Stops, or goes on, giving out the work of a queue. To stop it waits for the claims that are under way,
-- which may have seen it open: nothing that is called afterwards is given out.
-- Locks: the queue, then, to stop it, the app's runners.
create or replace function {schema}.pause_queue(p_app text, p_queue text, p_paused boolean)
returns void language plpgsql {definer} as $$
begin
    insert into queue (app_id, queue, paused) values (p_app, p_queue, p_paused)
    on conflict (app_id, queue) do update set paused = excluded.paused;
    if p_paused then
        perform from runner r where r.app_id = p_app order by r.runner_id for update;
    else
        perform notify(p_app, 'work');
    end if;
end $$;

-- Lets a trigger rest, or go on; answers whether there is one. Meanwhile its causes are noted and wait; of
-- a schedule, what it missed is treated like what passed while nothing ran.
create or replace function {schema}.pause_trigger(p_app text, p_trigger text, p_paused boolean)
returns boolean language plpgsql {definer} as $$
begin
    update trigger_definition d
    set paused_at = case when p_paused then coalesce(d.paused_at, clock_timestamp()) end
    where d.app_id = p_app and d.trigger_id = p_trigger and d.removed_at is null;
    if found and not p_paused then
        perform notify(p_app, 'cause');
    end if;
    return found;
end $$;

-- Has a run stop at its next step, or go on; answers whether it is live. What it has called goes on.
create or replace function {schema}.pause_workflow(p_app text, p_id uuid, p_reason text, p_paused boolean)
returns boolean language plpgsql {definer} as $$
begin
    perform check_isolation();
    perform from invocation_state s where s.invocation_id = p_id and s.app_id = p_app for share;
    if not found then
        return false;
    end if;
    if p_paused then
        insert into workflow as w (invocation_id, app_id, workflow_id, began_at, paused_at, pause_reason)
        select p_id, p_app, coalesce(i.workflow_id, p_id), clock_timestamp(), clock_timestamp(), p_reason
        from invocation i where i.invocation_id = p_id
        on conflict (invocation_id) do update
        set paused_at = coalesce(w.paused_at, excluded.paused_at), pause_reason = excluded.pause_reason;
    else
        update workflow w set paused_at = null, pause_reason = null where w.invocation_id = p_id;
        insert into workflow_wake (app_id, invocation_id) values (p_app, p_id) on conflict do nothing;
    end if;
    perform notify(p_app, 'due', to_json(0));  -- promote may have passed it over meanwhile
    return true;
end $$;

-- Has a run of a workflow stop at its next step, or go on, whichever app it is of: for psql, triggers and
-- other languages. Answers whether it is live.
create or replace function {schema}.pause_workflow(id uuid, paused boolean default true, reason text default '')
returns boolean language plpgsql {definer} as $$
#variable_conflict use_variable
declare
    v_app text;
begin
    select i.app_id into v_app from invocation i where i.invocation_id = id;
    return found and pause_workflow(v_app, id, reason, paused);
end $$;

-- The next of these lanes in turn: the first of each by when it was served, the others as if it were
-- served now, and never before their first; its priority puts a lane ahead. turns: by rank, where each stands among the work that
-- has no key; the first in turn has the lowest rank of all. Internal to take_slots, which has locked
-- the lanes; nulls where there is nothing.
create or replace function {schema}.pick_by_turn(
    p_queues text[], p_lanes bigint[], p_limit integer, p_now timestamptz,
    out ids uuid[], out lanes bigint[], out turns double precision[]
) language plpgsql as $$
declare
    v_share integer;
    v_cut   boolean;
begin
    -- Of many lanes that are alike a few each are enough, unless that leaves too few. One that counts as
    -- served later than now, but for the few microseconds of its place in a claim, is not like the others.
    select case when count(distinct (l.queue, l.ahead)) = 1 and count(l.queue) = count(*)
                     and max(l.served) < p_now - make_interval(secs => min(l.ahead) - 0.01)
                then 1 + 2 * p_limit / count(*) else p_limit end into v_share
    from lane l where l.lane_id = any (p_lanes);
    loop
        with offered as materialized (
            select l.lane_id, l.served, p_now - make_interval(secs => l.ahead) as again,
                   least(l.slots - (select count(*) from slot x where x.lane = l.lane_id),
                         l.rate - starts_since(l, p_now)) as room
            from lane l where l.lane_id = any (p_lanes)
        ), listed as materialized (
            select o.lane_id, w.invocation_id, w.rank, w.n, array_position(p_queues, w.queue) as q,
                   case when w.n = 1 then o.served else greatest(o.served, o.again) end as turn
            from offered o cross join lateral (
                select f.*, row_number() over (order by f.rank, f.invocation_id) as n from (
                    select a.invocation_id, a.rank, a.queue from invocation_state a
                    where a.lane = o.lane_id and a.lane is not null and a.queue = any (p_queues)
                      and a.available and not a.parked and a.due_at is null
                      and (a.expires_at is null or a.expires_at > p_now)
                    order by a.rank, a.invocation_id
                    limit greatest(0, least(v_share, o.room))) f) w
        ), chosen as materialized (
            select l.*, row_number() over (order by l.q, l.turn, l.n, l.rank, l.invocation_id) as place
            from listed l order by place limit p_limit
        )
        select array_agg(c.invocation_id order by c.place), array_agg(c.lane_id order by c.place),
               -- Within a queue, so in the same order: the lowest rank for the first in turn.
               (select array_agg(r.rank order by r.q, r.rank) from chosen r),
               count(*) < p_limit and (select max(l.n) >= v_share from listed l)
        into ids, lanes, turns, v_cut from chosen c;
        exit when ids is null or v_share >= p_limit or not v_cut;
        v_share := p_limit;
    end loop;
end $$;

-- JSON as it is, in the wire format: a key that begins with $ gets one more, or it would be read as
-- something else than what it says. Internal to enqueue.
create or replace function {schema}.plain_wire(p_json json) returns json
language plpgsql immutable as $$
declare
    v_text text := p_json::text;
begin
    if strpos(v_text, '"$') = 0 and strpos(lower(v_text), '\u0024') = 0 then
        return p_json;
    elsif json_typeof(p_json) = 'object' then
        return (select '{' || coalesce(string_agg(
                    to_json(case when e.key like '$%' then '$' || e.key else e.key end)::text || ':'
                    || plain_wire(e.value)::text, ',' order by e.n), '') || '}'
                from json_each(p_json) with ordinality e (key, value, n));
    elsif json_typeof(p_json) = 'array' then
        return (select '[' || coalesce(string_agg(plain_wire(e.value)::text, ',' order by e.n), '') || ']'
                from json_array_elements(p_json) with ordinality e (value, n));
    end if;
    return p_json;
end $$;

-- Whether anything live points at an invocation made in a span of time: also whoever has called it
-- and runs still. Internal.
create or replace function {schema}.pointed_into(p_from timestamptz, p_until timestamptz)
returns boolean language sql stable
begin atomic
    select exists (select from {schema}.invocation_state
                   where invocation_id >= {schema}.first_id(p_from) and invocation_id < {schema}.first_id(p_until))
        or exists (select from {schema}.wait_edge
                   where awaited_id >= {schema}.first_id(p_from) and awaited_id < {schema}.first_id(p_until))
        or exists (select from {schema}.trigger_cause
                   where source_id >= {schema}.first_id(p_from) and source_id < {schema}.first_id(p_until))
        or exists (select from {schema}.workflow w
                   join {schema}.invocation_state s on s.invocation_id = w.invocation_id
                   where w.workflow_id <> w.invocation_id
                     and w.workflow_id >= {schema}.first_id(p_from) and w.workflow_id < {schema}.first_id(p_until))
        or exists (select from {schema}.workflow_step w
                   join {schema}.invocation_state s on s.invocation_id = w.invocation_id
                   where w.child_id >= {schema}.first_id(p_from) and w.child_id < {schema}.first_id(p_until))
        or exists (select from {schema}.invocation_state s
                   cross join lateral (
                       select from {schema}.invocation c where c.parent_id = s.invocation_id
                       and c.invocation_id >= {schema}.first_id(p_from)
                       and c.invocation_id < {schema}.first_id(p_until) offset 0) c
                   where s.runner_id is not null);
end;

-- What must hold before calls can be written: ids of about now, their partitions, their queue.
-- Internal. Raises PN009.
create or replace function {schema}.prepare_registration(
    p_app text, p_queue text, p_ids uuid[], p_now timestamptz
) returns void language plpgsql as $$
declare
    v_id   uuid;
    v_low  uuid := first_id(p_now - interval '1 day');
    v_high uuid := first_id(p_now + interval '1 day');
begin
    select id into v_id from unnest(p_ids) id where id < v_low or id >= v_high limit 1;
    if found then
        raise exception 'the id % was made at %, but the database''s time is %: % apart',
                v_id, id_time(v_id), p_now, p_now - id_time(v_id)
            using errcode = 'PN009', hint = 'Set the clock of the machine that made the id.';
    end if;
    if to_regclass(partition_name('invocation_history', p_now)) is null
       or to_regclass(partition_name('invocation', date_trunc('week', p_now + interval '1 day', 'UTC'))) is null
    then
        perform ensure_partitions();
    end if;
    if not exists (select from queue where app_id = p_app and queue = p_queue) then
        if not exists (select from new_queue where app_id = p_app and queue = p_queue) then
            insert into new_queue (app_id, queue) values (p_app, p_queue);
        end if;
    end if;
end $$;

-- Makes ready what is due, and opens lanes whose rate limit lets the next one start; answers how much
-- work there was, and in how many seconds the next is due.
-- Moves nothing: due_at and next_at are cleared. Locks: lanes and rows by their time (skip locked), then
-- as wake_workflows.
create or replace function {schema}.promote(
    p_app text, p_limit integer, out promoted integer, out next_due double precision
) language plpgsql {definer} as $$
declare
    v_now   timestamptz := clock_timestamp();
    v_next  timestamptz;
    v_lanes bigint[];
begin
    perform check_isolation();
    v_lanes := array(select l.lane_id from lane l where l.app_id = p_app and l.next_at <= v_now
                     order by l.next_at limit p_limit for no key update skip locked);
    if v_lanes <> '{}' then
        update lane l set next_at = null where l.lane_id = any (v_lanes);
    end if;
    with due as materialized (
        select s.invocation_id from invocation_state s
        where s.app_id = p_app and s.due_at <= v_now
        order by s.due_at limit p_limit for no key update skip locked
    )
    update invocation_state s set due_at = null, previous_status = s.status
    from due d where s.invocation_id = any (array[d.invocation_id]);
    get diagnostics promoted = row_count;
    promoted := promoted + wake_workflows(p_app, p_limit);
    if promoted > 0 or v_lanes <> '{}' then
        perform rouse(p_app, null, promoted + cardinality(v_lanes));
    end if;
    v_next := least(
        (select s.due_at from invocation_state s where s.app_id = p_app and s.due_at is not null
         order by s.due_at limit 1),
        (select l.next_at from lane l where l.app_id = p_app and l.next_at is not null
         order by l.next_at limit 1));
    next_due := case when v_next > v_now then extract(epoch from v_next - v_now)
                     when v_next is not null then 0 end;
end $$;

-- Removes what has ended and is kept for a shorter time than the rest: `keep` and `keep_failed` of its task,
-- as the runners told last. Looks at up to p_limit ends that are old enough, after one, by id, passing over those of
-- other apps and younger ones; answers how many went, with their history, and where to go on (null: that was
-- the end). Beside purge the one verb that the guard lets delete.
-- Locks: the calls it removes; passes over what somebody runs again or forks. Raises nothing of its own.
create or replace function {schema}.prune(p_app text, p_after uuid, p_limit integer)
returns table (removed integer, next_after uuid) language plpgsql {definer} as $$
declare
    v_now   constant timestamptz := clock_timestamp();
    v_looks constant integer := 20 * p_limit;
    v_kept  double precision;
    v_old   uuid[];
    v_gone  uuid[];
    v_since timestamptz;
begin
    perform check_isolation();
    removed := 0;
    select min(least((t.options->>'keep')::double precision, (t.options->>'keep_failed')::double precision))
    into v_kept from task t where t.app_id = p_app;
    if v_kept is null then
        return next;
        return;
    end if;
    v_old := array(
        select s.id from (
            select o.invocation_id as id, o.app_id = p_app as own, o.finished_at from invocation_outcome o
            where o.invocation_id > p_after order by o.invocation_id limit v_looks) s
        where s.own and s.finished_at < v_now - make_interval(secs => v_kept) order by s.id limit p_limit);
    if cardinality(v_old) = p_limit then
        next_after := v_old[p_limit];
    else
        select o.invocation_id into next_after from invocation_outcome o
        where o.invocation_id > p_after order by o.invocation_id offset v_looks - 1 limit 1;
    end if;
    v_gone := unreferred(array(
        select s.id from unnest(v_old) s (id)
        cross join lateral (select o.status, o.finished_at from invocation_outcome o
                            where o.invocation_id = s.id and o.app_id = p_app offset 0) o
        cross join lateral (select i.task_id from invocation i where i.invocation_id = s.id offset 0) i
        cross join lateral (
            select coalesce(case when o.status = 'failed' then t.options->>'keep_failed' end,
                            t.options->>'keep')::double precision as seconds
            from task t where t.task_id = i.task_id and t.app_id = p_app order by t.told_at desc limit 1) k
        where o.finished_at < v_now - make_interval(secs => k.seconds)));
    if v_gone <> '{}' then
        perform set_config('pynenc.prune', pg_current_xact_id()::text, true);
        v_since := id_time(v_gone[1]) - interval '2 days';  -- clocks of clients may be a day off
        delete from workflow_data d where d.workflow_id = any (v_gone);
        delete from workflow_step s where s.invocation_id = any (v_gone);
        delete from workflow w where w.invocation_id = any (v_gone);
        delete from invocation_outcome o where o.invocation_id = any (v_gone);
        delete from invocation_error e where e.invocation_id = any (v_gone);
        delete from payload_ref r
        where uuid_send(r.invocation_id) = any (array(select uuid_send(g) from unnest(v_gone) g));
        delete from invocation i where i.invocation_id = any (v_gone);
        delete from invocation_history h
        where h.invocation_id = any (v_gone) and h.at >= v_since and h.at <= v_now;
        perform set_config('pynenc.prune', '', true);
        removed := cardinality(v_gone);
    end if;
    return next;
end $$;

-- Removes every invocation of an app, live and finished, with its history; answers how many.
-- For operators and tests: the one verb that the guard lets pass.
create or replace function {schema}.purge(p_app text) returns bigint
language plpgsql {definer} as $$
declare
    v_count bigint;
begin
    perform check_isolation();
    perform set_config('pynenc.purge', pg_current_xact_id()::text, true);
    delete from wait_edge e where e.app_id = p_app;
    delete from aside a where a.app_id = p_app;
    delete from trigger_cause c where c.app_id = p_app;
    delete from trigger_run r where r.app_id = p_app;
    delete from event e where e.app_id = p_app;
    delete from workflow_wake w where w.app_id = p_app;
    delete from workflow_wait w where w.app_id = p_app;
    delete from workflow_data d where d.app_id = p_app;
    delete from workflow_step s where s.app_id = p_app;
    delete from workflow w where w.app_id = p_app;
    delete from slot x using lane l where l.lane_id = x.lane and l.app_id = p_app;
    delete from invocation_state s where s.app_id = p_app;
    delete from lane l where l.app_id = p_app;
    delete from invocation_outcome o where o.app_id = p_app;
    delete from invocation_error e using invocation i
    where i.invocation_id = e.invocation_id and i.app_id = p_app;
    delete from call_key k where k.app_id = p_app;
    delete from call_result r where r.app_id = p_app;
    delete from payload_ref r where r.app_id = p_app;
    delete from payload p where p.app_id = p_app;
    delete from invocation i where i.app_id = p_app;
    get diagnostics v_count = row_count;
    delete from invocation_history h where h.app_id = p_app;
    perform set_config('pynenc.purge', '', true);
    return v_count;
end $$;

-- A number of JSON as Python writes it after having read it: whole ones as they are, others as
-- repr(float). Internal to canonical_json. Raises 22003 where a double cannot hold it.
create or replace function {schema}.python_number(p_text text) returns text
language plpgsql immutable strict set extra_float_digits = 1 as $$
declare
    v_value  double precision;
    v_parts  text[];
    v_sign   text;
    v_digits text;
    v_fewer  text;
    v_point  integer;  -- how many of the digits stand before the point
begin
    if p_text !~ '[.eE]' then
        return case p_text when '-0' then '0' else p_text end;
    end if;
    v_value := p_text::double precision;
    v_parts := regexp_match(v_value::text, '^(-?)(\d+)(?:\.(\d+))?(?:e([-+]\d+))?$');
    v_sign := v_parts[1];
    v_digits := v_parts[2] || coalesce(v_parts[3], '');
    v_point := length(v_parts[2]) + coalesce(v_parts[4]::integer, 0)
             - (length(v_digits) - length(ltrim(v_digits, '0')));
    v_digits := rtrim(ltrim(v_digits, '0'), '0');
    if v_digits = '' then
        return v_sign || '0.0';
    end if;
    -- The fewest digits that tell it from its neighbours, but that PostgreSQL leaves out what lies
    -- exactly between two of them, which reads as the even one: one of the two that are a digit shorter.
    if length(v_digits) > 15 and abs(v_value) < 1.79e308 then
        foreach v_fewer in array array[trunc(v_digits::numeric, -1), trunc(v_digits::numeric, -1) + 10] loop
            if (v_sign || v_fewer || 'e' || v_point - length(v_digits))::double precision = v_value then
                v_point := v_point + length(v_fewer) - length(v_digits);
                v_digits := rtrim(v_fewer, '0');
                exit;
            end if;
        end loop;
    end if;
    if v_point between -3 and 0 then
        return v_sign || '0.' || repeat('0', -v_point) || v_digits;
    elsif v_point between 1 and 16 then
        v_digits := rpad(v_digits, greatest(v_point + 1, length(v_digits)), '0');
        return v_sign || left(v_digits, v_point) || '.' || substr(v_digits, v_point + 1);
    end if;
    return v_sign || left(v_digits, 1) || case when length(v_digits) > 1 then '.' || substr(v_digits, 2) else '' end
           || 'e' || case when v_point > 0 then '+' else '-' end
           || lpad(abs(v_point - 1)::text, greatest(2, length(abs(v_point - 1)::text)), '0');
end $$;

-- Ends what took its worker down more often than allowed, since it last came to rest of its own accord: a
-- workflow of a year meets many a dead worker. Internal to recover; rows locked.
-- Moves: running_recovery -> failed (recoveries_exhausted). Answers how many.
create or replace function {schema}.quarantine(p_ids uuid[], p_max_recoveries integer)
returns integer language plpgsql as $$
declare
    v_off uuid[];
begin
    v_off := array(select s.invocation_id from invocation_state s
                   where s.invocation_id = any (p_ids) and s.recoveries > p_max_recoveries
                     and s.status = 'running_recovery' and s.cancel_requested_at is null);
    if v_off = '{}' then
        return 0;
    end if;
    v_off := array(
        select o.id from unnest(v_off) o (id)
        where p_max_recoveries < (
            select count(*) from invocation_history h
            where h.invocation_id = o.id and h.status = 'running_recovery' and h.rev > coalesce((
                select max(r.rev) from invocation_history r
                where r.invocation_id = o.id and r.status = 'retry'
                  and r.reason in ('sleeping', 'event', 'paused')), -1)));
    if v_off <> '{}' then
        perform end_unowned(v_off, 'failed', 'recoveries_exhausted', 'recovery');
    end if;
    return cardinality(v_off);
end $$;

-- What stands in each queue of an app, or of all (null): for people. Where there is more than some ten thousand
-- it looks at a sample of the pages, and answers estimates (exact: false); the view queue_depth counts.
-- oldest_ready: since what has stood longest was ready. Of what was called with a delay that is since its time,
-- which its rank tells, unless it has a priority: one above 0 brings it up to the call, one below 0 defers it as
-- it defers the start. A rank that is no time at all, as whoever calls the verbs may give, is bounded.
create or replace function {schema}.queue_figures(p_app text, p_pages integer default 2000)
returns table (
    queue text, paused boolean, ready bigint, scheduled bigint, parked bigint, pending bigint, running bigint,
    waiting bigint, oldest_ready interval, exact boolean, app_id text
) language plpgsql stable {definer} set enable_seqscan = on as $$
#variable_conflict use_column
declare
    v_pages constant bigint := greatest(
        1, pg_relation_size('{schema}.invocation_state') / current_setting('block_size')::bigint);
    v_share constant double precision := least(1, p_pages::double precision / v_pages);
begin
    return query
    with seen as materialized (
        select s.app_id, s.queue,
               count(*) filter (where s.available and s.due_at is null) as ready,
               count(*) filter (where s.due_at is not null) as scheduled,
               count(*) filter (where s.parked) as parked,
               count(*) filter (where s.status = 'pending') as pending,
               count(*) filter (where s.status in ('running', 'resumed')) as running,
               count(*) filter (where s.status = 'paused') as waiting,
               min(least(clock_timestamp(), greatest(s.status_at, to_timestamp(least(greatest(s.rank, 0), 1e11)))))
                   filter (where s.available and s.due_at is null) as since
        from invocation_state s tablesample system (100 * v_share)
        where p_app is null or s.app_id = p_app group by s.app_id, s.queue
    )
    select q.queue, q.paused, round(coalesce(n.ready, 0) / v_share)::bigint,
           round(coalesce(n.scheduled, 0) / v_share)::bigint, round(coalesce(n.parked, 0) / v_share)::bigint,
           round(coalesce(n.pending, 0) / v_share)::bigint, round(coalesce(n.running, 0) / v_share)::bigint,
           round(coalesce(n.waiting, 0) / v_share)::bigint, clock_timestamp() - least(n.since, f.since),
           v_share = 1, q.app_id
    from queue q
    left join seen n on n.app_id = q.app_id and n.queue = q.queue
    left join lateral (
        select least(clock_timestamp(), greatest(s.status_at, to_timestamp(least(greatest(s.rank, 0), 1e11)))) as since
        from invocation_state s
        where s.app_id = q.app_id and s.queue = q.queue and s.available and s.due_at is null and s.lane is null
        order by s.rank, s.invocation_id limit 1) f on true
    where p_app is null or q.app_id = p_app order by q.app_id, q.queue collate "C";
end $$;

-- What stands in the queues that no live runner can take: for people, and slow where much is queued. runners:
-- how many live ones have the task; missing and unknown: by the task as it was told of last, null if it
-- never was. What is set aside already is not among them.
create or replace function {schema}.queued_misfits(p_app text) returns table (
    task_id text, queue text, calls bigint, runners bigint, missing text[], unknown text[]
) language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    with queued as materialized (
        select i.task_id, s.queue,
               array(select distinct k from json_object_keys(i.arguments) k order by k) as names,
               count(*) as calls
        from invocation_state s join invocation i on i.invocation_id = s.invocation_id
        where s.app_id = p_app and (s.available or s.parked)
          and not exists (select from aside a
                          where a.invocation_id = s.invocation_id and a.freed_at is null)
        group by 1, 2, 3
    )
    select q.task_id, q.queue, q.calls, r.runners, m.missing, m.unknown
    from queued q
    cross join lateral (
        select count(*) as runners from runner_task k join runner r on r.runner_id = k.runner_id
        where k.app_id = p_app and k.task_id = q.task_id and r.dead_at is null
          and r.lease_until >= clock_timestamp()) r
    left join lateral (
        select t.parameters from task t where t.app_id = p_app and t.task_id = q.task_id
        order by t.told_at desc limit 1) t on true
    left join lateral misfit(t.parameters, q.names) m on t.parameters is not null
    where not is_able(p_app, q.task_id, q.queue, q.names, '{}')
    order by q.task_id, q.queue, q.names;
end $$;

-- Finds, for calls in order, the equal one that succeeded last, if that was after p_since (null: however
-- long ago); null where there is none. An id that is there already is that call itself.
-- Internal to register_cached. Locks nothing.
create or replace function {schema}.recall(
    p_app text, p_task text, p_ids uuid[], p_call_ids text[], p_since timestamptz
) returns uuid[] language plpgsql as $$
begin
    return (
        select array_agg(case when l.invocation_id is not null and not exists (
                             select from invocation i where i.invocation_id = p_ids[p.n])
                         then l.invocation_id end order by p.n)
        -- Each call once, however often it stands in the batch.
        from (select u.call_id, array_agg(u.n) as places
              from unnest(p_call_ids) with ordinality u (call_id, n) group by u.call_id) c
        left join lateral (
            select o.invocation_id
            from (select r.invocation_id from call_result r
                  where r.app_id = p_app and r.task_id = p_task and r.call_id = c.call_id offset 0) r
            cross join lateral (
                select o.invocation_id, o.finished_at from invocation_outcome o
                where o.invocation_id = r.invocation_id and o.status = 'success' offset 0) o
            where p_since is null or o.finished_at > p_since
            order by o.finished_at desc, o.invocation_id desc limit 1) l on true
        cross join lateral unnest(c.places) p (n));
end $$;

-- The latest p_limit ends of an app's invocations, as far as the last p_pages pages of the history go: how
-- long each ran at last, and how long after its call it began, where it needed one attempt alone.
create or replace function {schema}.recent_ends(p_app text, p_pages integer, p_limit integer)
returns table (
    invocation_id uuid, task_id text, queue text, status text, reason text, at timestamptz,
    ran_seconds double precision, waited_seconds double precision
) language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    select e.invocation_id, i.task_id, i.queue, e.status, e.reason, e.at,
           extract(epoch from e.at - b.at)::double precision,
           case when e.rev = 3 then extract(epoch from b.at - i.registered_at)::double precision end
    from (select * from recent_history(p_app, p_pages) r
          where r.status in ('success', 'failed', 'concurrency_controlled_final')
          order by r.at desc limit p_limit) e
    cross join lateral (select * from invocation i where i.invocation_id = e.invocation_id offset 0) i
    left join lateral (
        select h.at from invocation_history h
        where h.invocation_id = e.invocation_id and h.rev = e.rev - 1
          and h.at <= e.at and h.at >= id_time(e.invocation_id) - interval '1 day'
          and h.status in ('running', 'resumed') offset 0) b on true
    order by e.at desc;
end $$;

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

-- Writes down what somebody has done by hand, in the transaction in which it is done: who, what, on which,
-- from where, with what outcome. Nothing takes it away again.
create or replace function {schema}.record_audit(
    p_app text, p_who text, p_action text, p_subject text, p_detail text, p_origin text, p_outcome text
) returns bigint language plpgsql {definer} as $$
declare
    v_id bigint;
begin
    insert into audit (app_id, at, who, db_user, action, subject, detail, origin, outcome)
    values (p_app, clock_timestamp(), p_who, session_user, p_action, p_subject, p_detail::json, p_origin,
            p_outcome)
    returning audit_id into v_id;
    return v_id;
end $$;

-- Notes for each trigger that watches it that an invocation has got a status: in the transaction in which
-- it did. Called by the triggers of the guard, where somebody watches such a status at all. Internal.
create or replace function {schema}.record_causes(
    p_ids uuid[], p_revs integer[], p_statuses text[], p_ats timestamptz[]
) returns void language plpgsql as $$
declare
    v_app     text;
    v_watched text[];
begin
    -- By task, which are few: most of what is asked about here is nobody's.
    v_watched := array(
        select t.task_id from (
            select distinct i.app_id, i.task_id from {schema}.invocation i where i.invocation_id = any (p_ids)) t
        where exists (
            select from (select distinct status from unnest(p_statuses) status) c
            cross join lateral (
                select from {schema}.trigger_watch w
                where w.app_id = t.app_id and w.what = c.status and w.about = t.task_id limit 1) w));
    if v_watched = '{}' then
        return;
    end if;
    for v_app in
        with noted as (
            insert into {schema}.trigger_cause (app_id, trigger_id, condition_id, source_id, rev, status, at)
            select i.app_id, w.trigger_id, w.condition_id, c.id, c.rev, c.status::{schema}.invocation_status, c.at
            from unnest(p_ids, p_revs, p_statuses, p_ats) c (id, rev, status, at)
            cross join lateral (
                select i.app_id, i.task_id, i.arguments from {schema}.invocation i
                where i.invocation_id = c.id offset 0) i
            cross join lateral (
                select w.* from {schema}.trigger_watch w
                where w.app_id = i.app_id and w.what = c.status and w.about = i.task_id offset 0) w
            where i.task_id = any (v_watched)
              and (w.filter is null
                   or {schema}.may_meet(w.filter->'arguments', i.arguments)
                      and (w.filter->'result' is null or {schema}.may_meet(w.filter->'result', (
                          select o.value from {schema}.invocation_outcome o where o.invocation_id = c.id offset 0))))
            on conflict do nothing
            returning trigger_cause.app_id
        )
        select distinct n.app_id from noted n
    loop
        perform {schema}.notify(v_app, 'cause');
    end loop;
end $$;

-- Writes that a call is a step of a workflow: in the statement that registers it, whose answer it passes
-- on. Locks: the row (share), after those of register. Raises, and nothing is registered: PN002 the
-- invocation is not the caller's, PN025 too large, PN027 another call stands at the path, PN028 the run is
-- paused, PN029 it is to stop.
create or replace function {schema}.record_child(
    p_app text, p_runner text, p_id uuid, p_lease bigint, p_path text, p_run integer, p_about text,
    p_retries integer, p_survived text[], p_became uuid[]
) returns uuid[] language plpgsql {definer} as $$
declare
    v_stands uuid;
begin
    perform check_isolation();
    perform check_author(p_app, p_runner, p_id, p_lease);
    select s.child_id into v_stands from workflow_step s
    where s.invocation_id = p_id and s.path = p_path and s.run = p_run;
    if found then
        if v_stands is distinct from p_became[1] then
            raise exception 'another call stands at step % of workflow run %', p_path, p_id
                using errcode = 'PN027', hint = 'Read the steps, and go on with that one.';
        end if;
        return p_became;
    elsif exists (select from invocation_state s
                  where s.invocation_id = p_id and s.cancel_requested_at is not null) then
        raise exception 'invocation % was cancelled: it calls no more tasks', p_id using errcode = 'PN029';
    end if;
    perform check_step(p_path, p_about, null, null);
    perform begin_run(p_app, p_id);
    insert into workflow_step (invocation_id, app_id, path, run, kind, about, retries, survived, child_id, at)
    values (p_id, p_app, p_path, p_run, 'task', p_about, p_retries, nullif(p_survived, '{}'), p_became[1],
            clock_timestamp());
    return p_became;
end $$;

-- Writes a step of a workflow, or answers the one that stands at its path. With it goes what it does:
-- sets the data, or reads it into its value; ends the wait for an event; pauses the run, whose answer
-- is then how long it rests in left_seconds, as is that of a sleep.
-- Locks: the row (share). Raises: PN002 the invocation is not the caller's, PN025 too large, PN028 the run
-- is paused and nothing stands there, unless it is the result of a function.
create or replace function {schema}.record_step(
    p_app text, p_runner text, p_id uuid, p_lease bigint, p_path text, p_run integer, p_kind text,
    p_about text, p_value text, p_retries integer, p_survived text[], p_key text, p_event uuid,
    p_delay double precision
) returns table (
    path text, run integer, kind text, about text, value text, at timestamptz, retries integer,
    survived text[], key text, event_id uuid, child_id uuid, failed boolean, left_seconds double precision
) language plpgsql {definer} as $$
#variable_conflict use_column
declare
    v_now   constant timestamptz := clock_timestamp();
    v_value text := p_value;
    v_data  uuid;
begin
    perform check_isolation();
    perform check_author(p_app, p_runner, p_id, p_lease);
    if not exists (select from workflow_step s
                   where s.invocation_id = p_id and s.path = p_path and s.run = p_run) then
        perform check_step(p_path, p_about, p_key, p_value);
        -- A function has been called already, and would be once more.
        v_data := begin_run(p_app, p_id, p_kind = 'step');
        if p_kind = 'sleep' then
            v_value := to_json(v_now + make_interval(secs => p_delay))::text;
        elsif p_kind = 'get_data' then
            select d.value::text into v_value from workflow_data d
            where d.workflow_id = v_data and d.key = p_key;
        elsif p_kind = 'set_data' then
            insert into workflow_data as d (workflow_id, app_id, key, value, set_by, set_at)
            values (v_data, p_app, p_key, p_value::json, p_id, v_now)
            on conflict (workflow_id, key) do update
            set value = excluded.value, set_by = excluded.set_by, set_at = excluded.set_at;
        elsif p_kind = 'event' then
            delete from workflow_wait w where w.invocation_id = p_id and w.path = p_path;
        elsif p_kind = 'pause' then
            update workflow w set paused_at = v_now, pause_reason = p_value::json#>>'{}'
            where w.invocation_id = p_id;
        end if;
        insert into workflow_step (invocation_id, app_id, path, run, kind, about, value, retries, survived,
                                   key, event_id, at)
        values (p_id, p_app, p_path, p_run, p_kind, p_about, v_value::json, p_retries,
                nullif(p_survived, '{}'), p_key, p_event, v_now);
    end if;
    return query select * from step_as_read(p_id, p_path, p_run);
end $$;

-- Takes from dead runners what they held, and from live ones what they did not begin in time.
-- A runner is dead when its session lock is gone for longer than the grace, or its lease is over;
-- never by how long a task runs. Locks that fell with a restart of the server prove nothing.
-- p_max_pending null: live runners are not looked at, which costs a look at all they hold.
-- Moves: pending -> pending_recovery; begun -> running_recovery; both -> rerouted | failed.
-- Locks: one recovery at a time per app, lanes by key, then rows (skip locked: next time).
create or replace function {schema}.recover(
    p_app text, p_grace double precision, p_max_pending double precision,
    p_max_recoveries integer, p_limit integer,
    out rerouted integer, out quarantined integer, out dead text[], out next_look double precision
) language plpgsql {definer} as $$
declare
    v_now   timestamptz := clock_timestamp();
    v_late  timestamptz := v_now - make_interval(secs => p_max_pending);
    v_lanes bigint[];
    v_ids   uuid[];
    v_gone  text[];
begin
    rerouted := 0;
    quarantined := 0;
    dead := '{}';
    perform check_isolation();
    if not pg_try_advisory_xact_lock(lock_space(), -1000 - (hashtext(p_app) & 1048575)) then
        return;
    end if;
    dead := mark_dead_runners(p_app, p_grace, v_now);
    v_ids := array(
        select s.invocation_id from runner r cross join lateral (
            select s.invocation_id from invocation_state s
            where s.runner_id = r.runner_id and s.runner_id is not null limit p_limit) s
        where r.app_id = p_app and r.dead_at is not null limit p_limit);
    if v_late is not null then
        v_ids := v_ids || array(
            select s.invocation_id from runner r cross join lateral (
                select s.invocation_id from invocation_state s
                where s.runner_id = r.runner_id and s.runner_id is not null
                  and s.status = 'pending' and s.status_at < v_late limit p_limit) s
            where r.app_id = p_app and r.dead_at is null limit p_limit - cardinality(v_ids));
    end if;
    v_lanes := lock_lanes(v_ids);
    with mine as materialized (
        select s.invocation_id
        from (select id from unnest(v_ids) id order by id) i cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = i.id and exists (
                select from runner r where r.runner_id = s.runner_id
                and (r.dead_at is not null or s.status = 'pending' and s.status_at < v_late) offset 0)
            offset 0 for no key update skip locked) s
    ), stopped as (
        update invocation_state s
        set status = case when s.status = 'pending' then 'pending_recovery'
                          else 'running_recovery' end::invocation_status,
            previous_status = s.status, status_at = greatest(v_now, s.status_at),
            reason = null, runner_id = null, rev = s.rev + 1, proof = s.lease + s.rev + 1,
            changed_by = 'recovery', recoveries = s.recoveries + (s.status <> 'pending')::int
        from mine m where s.invocation_id = any (array[m.invocation_id])
        returning s.invocation_id
    )
    select array(select x.invocation_id from stopped x) into v_ids;
    if v_ids <> '{}' then
        quarantined := quarantine(v_ids, p_max_recoveries);
        perform reroute_stopped(v_ids, 'recovery');
        rerouted := cardinality(v_ids) - quarantined;
        delete from wait_edge e where e.waiter_id = any (v_ids);
        if v_lanes is not null then
            perform free_slots(p_app, v_lanes, v_ids, 'recovery');
        end if;
        perform notify(p_app, 'work');
    end if;

    if dead <> '{}' then
        perform return_causes(p_app, dead);
    end if;
    -- Locked first, looked at in a new statement: a claim that began before its runner was declared
    -- dead may have ended in between, and what it took is found by the runner's row alone.
    v_gone := array(select r.runner_id from runner r where r.app_id = p_app and r.dead_at is not null
                    for update skip locked);
    if v_gone <> '{}' then
        delete from runner r where r.runner_id = any (v_gone)
        and not exists (select from invocation_state s where s.runner_id = r.runner_id);
    end if;
    select extract(epoch from min(r.lock_gone_at) + make_interval(secs => p_grace) - clock_timestamp())
    into next_look from runner r where r.app_id = p_app and r.dead_at is null;
end $$;

-- Notes which invocations need which payloads (p_ids and p_hashes belong together), of those among
-- p_become; answers p_become, so that it can stand around or inside a call of another verb: register,
-- finish, retry. Locks: the payloads, key share. Raises: 23503 a payload that is not there.
create or replace function {schema}.refer(
    p_app text, p_become uuid[], p_ids uuid[], p_hashes text[]
) returns uuid[] language plpgsql {definer} as $$
begin
    insert into payload_ref (app_id, sha256, invocation_id)
    select distinct p_app, decode(r.name, 'hex'), r.id
    from unnest(p_ids, p_hashes) r (id, name) where r.id = any (p_become)
    order by 2, 3
    on conflict do nothing;
    return p_become;
end $$;

-- Refuses a wait that would never end: its edges stand already. Internal to pause. Raises: PN012.
-- Who needs one end is stuck when that one is; who needs one of several, or a slot of its concurrency
-- key that several hold, when all of them are. A circle that is closed now runs through p_id; one that
-- a key has closed, because it has fewer slots now, may lie ahead of it.
create or replace function {schema}.refuse_circle(p_id uuid) returns void language plpgsql as $$
declare
    v_nodes  uuid[] := array[p_id];
    v_new    uuid[] := array[p_id];
    v_from   uuid[] := '{}';
    v_to     uuid[] := '{}';
    v_one_of boolean[] := '{}';
    v_found  record;
    v_free   uuid[] := '{}';
    v_path   uuid[] := array[p_id];
begin
    while v_new <> '{}' loop
        select array_agg(f.id) as waiters, array_agg(n.id) as awaited, array_agg(n.one_of) as one_of
        into v_found
        from unnest(v_new) f (id)
        cross join lateral (select s.status, s.lane, s.runner_id from invocation_state s
                            where s.invocation_id = f.id offset 0) s
        cross join lateral (
            select e.awaited_id as id, e.needed = 2 as one_of from wait_edge e
            where e.waiter_id = f.id and e.needed > 0 and (s.status = 'paused' or f.id = p_id)
            union all
            select x.invocation_id, true from lane l join slot x on x.lane = l.lane_id
            where l.lane_id = s.lane and s.runner_id is null
              and l.slots <= (select count(*) from slot c where c.lane = s.lane)
        ) n;
        exit when v_found.waiters is null;
        v_from := v_from || v_found.waiters;
        v_to := v_to || v_found.awaited;
        v_one_of := v_one_of || v_found.one_of;
        v_new := array(select distinct t from unnest(v_found.awaited) t where t <> all (v_nodes));
        v_nodes := v_nodes || v_new;
    end loop;
    -- Most waits: all that was found was met once. Where nothing is met twice there is no circle.
    if cardinality(v_to) < cardinality(v_nodes) then
        return;
    end if;

    loop  -- whoever can go on lets others go on
        v_new := array(
            select n.id from unnest(v_nodes) n (id)
            left join unnest(v_from, v_to, v_one_of) e (waiter, awaited, one_of) on e.waiter = n.id
            where n.id <> all (v_free)
            group by n.id
            having coalesce(bool_and(e.awaited = any (v_free)) filter (where not e.one_of), true)
               and coalesce(bool_or(e.awaited = any (v_free)) filter (where e.one_of), true));
        exit when v_new = '{}';
        v_free := v_free || v_new;
    end loop;
    if p_id = any (v_free) then
        return;
    end if;
    loop
        v_path := v_path || (
            select e.awaited from unnest(v_from, v_to) e (waiter, awaited)
            where e.waiter = v_path[cardinality(v_path)] and e.awaited <> all (v_free)
            order by e.awaited <> p_id, e.awaited = any (v_path), e.awaited limit 1);
        exit when v_path[cardinality(v_path)] = any (v_path[:cardinality(v_path) - 1]);
    end loop;
    raise exception 'invocation % would wait for ever: %', p_id, (
            select string_agg(format('%s (%s)', p.id, i.task_id), ' -> ' order by p.n)
            from unnest(v_path) with ordinality p (id, n)
            left join lateral (select i.task_id from invocation i where i.invocation_id = p.id offset 0) i
            on true)
        using errcode = 'PN012', detail = array_to_string(v_path, ' '),
              hint = 'Each waits for the next, or for a slot of the concurrency key it holds.';
end $$;

-- Refuses the batch if a call became an invocation (or a call of the same batch) that has other
-- arguments. Internal to register_2, which has written the rows and holds the keys by then.
-- Raises: PN013, DETAIL: the ids of the invocation and of the call.
create or replace function {schema}.refuse_different(
    p_task text, p_ids uuid[], p_become uuid[], p_call_ids text[], p_arguments text[]
) returns void language plpgsql as $$
declare
    v_held uuid;
    v_call uuid;
begin
    -- Equal calls have equal call ids; an older release may have made the invocation's another way.
    select c.become, c.id into v_held, v_call
    from unnest(p_ids, p_become, p_call_ids, p_arguments) with ordinality
             c (id, become, call_id, arguments, n)
    cross join lateral (
        select * from invocation i where i.invocation_id = c.become offset 0) i
    where c.id <> c.become and i.call_id <> c.call_id and i.arguments::text <> c.arguments
    order by c.n limit 1;
    if found then
        raise exception 'invocation % of % is registered with the same key and other arguments',
            v_held, p_task using errcode = 'PN013', detail = v_held || ' ' || v_call,
            hint = 'Call again when it has started, or with the same arguments.';
    end if;
end $$;

-- As register_2, which has replaced it, without its last parameter: here for clients of the release
-- before. Moves: (new) -> registered. Raises: as register_2, but for PN013.
create or replace function {schema}.register(
    p_app text, p_task text, p_queue text, p_priority double precision, p_delay double precision,
    p_expires_in double precision, p_slots integer, p_must_not_wait boolean, p_parent uuid,
    p_depth integer, p_options text, p_changed_by text, p_own_connection boolean,
    p_ids uuid[], p_call_ids text[], p_arguments text[],
    p_registration_keys text[], p_lane_keys text[]
) returns uuid[] language plpgsql {definer} as $$
begin
    return register_2(p_app, p_task, p_queue, p_priority, p_delay, p_expires_in, p_slots,
                      p_must_not_wait, p_parent, p_depth, p_options, p_changed_by,
                      p_own_connection, p_ids, p_call_ids, p_arguments, p_registration_keys,
                      p_lane_keys, false);
end $$;

-- Accepts calls of one task as REGISTERED, all or none; returns the id each call became.
-- They belong to the workflow of p_parent; with p_own_workflow, or without parent, each to one of its own.
-- Moves: (new) -> registered. Locks: lanes by key (key share), then registration keys in order.
-- Raises: PN008 isolation, PN009 an id whose time is more than a day off; where p_refuse_different,
-- PN013 a registration key that belongs to an invocation with other arguments; PN015 one that a
-- transaction holds which does not end.
create or replace function {schema}.register_2(
    p_app text, p_task text, p_queue text, p_priority double precision, p_delay double precision,
    p_expires_in double precision, p_slots integer, p_must_not_wait boolean, p_parent uuid,
    p_depth integer, p_options text, p_changed_by text, p_own_connection boolean,
    p_ids uuid[], p_call_ids text[], p_arguments text[],
    p_registration_keys text[], p_lane_keys text[], p_refuse_different boolean,
    p_ageing double precision default 60, p_rate integer default null,
    p_rate_period double precision default null, p_at timestamptz default null,
    p_retried_from uuid default null, p_own_workflow boolean default false
) returns uuid[] language plpgsql {definer} as $$
declare
    v_now     timestamptz := clock_timestamp();
    v_due     timestamptz := case when p_at > v_now then p_at
                                  when p_delay > 0 then v_now + make_interval(secs => p_delay) end;
    v_expires timestamptz := coalesce(v_due, v_now) + make_interval(secs => p_expires_in);
    v_rank    double precision := extract(epoch from coalesce(v_due, v_now)) - p_priority * p_ageing;
    v_lanes   bigint[] := array_fill(null::bigint, array[cardinality(p_ids)]);
    v_become  uuid[] := p_ids;
    v_patience constant text := current_setting('lock_timeout');
    v_fresh   uuid[];
    v_flow    uuid;
begin
    perform check_isolation();
    perform prepare_registration(p_app, p_queue, p_ids, v_now);
    if p_lane_keys is not null then
        v_lanes := share_lanes(p_app, p_queue, p_lane_keys, p_slots, p_rate, p_rate_period,
                               p_priority * p_ageing, p_must_not_wait, v_now, p_changed_by);
    end if;
    if p_registration_keys is not null then
        begin
            -- A session that is not ours may wait for ever by its own settings, which it gets back.
            if v_patience = '0' then
                perform set_config('lock_timeout', '10s', true);
            end if;
            v_become := reserve_keys(p_app, p_queue, v_now, v_due, v_expires, v_rank, p_must_not_wait,
                                     p_changed_by, p_ids, p_registration_keys, v_lanes);
            if v_patience = '0' then
                perform set_config('lock_timeout', '0', true);
            end if;
        exception when lock_not_available then
            raise exception 'a transaction that has not ended holds the registration key of a call of %', p_task
                using errcode = 'PN015', hint = 'Nothing of this call was written: call again when it has ended.';
        end;
    end if;

    if p_parent is not null and not p_own_workflow then
        select coalesce(i.workflow_id, p_parent) into v_flow from invocation i
        where i.invocation_id = p_parent;
    end if;
    with fresh as (
        insert into invocation (
            invocation_id, app_id, task_id, call_id, arguments, options, queue, priority,
            parent_id, depth, workflow_id, registered_at, registered_by, expires_at, retried_from)
        select c.id, p_app, p_task, c.call_id, c.arguments::json, p_options::json, p_queue,
               p_priority, p_parent, p_depth, v_flow, v_now, p_changed_by, v_expires, p_retried_from
        from unnest(p_ids, p_call_ids, p_arguments, v_become) c (id, call_id, arguments, become)
        where c.id = c.become
        on conflict (invocation_id) do nothing
        returning invocation_id
    )
    select array(select f.invocation_id from fresh f) into v_fresh;
    if cardinality(v_fresh) < cardinality(p_ids) and p_registration_keys is null then
        -- Written before, perhaps by a commit that still waits for a synchronous standby: reading waits
        -- for nothing, and the answer to this call is to mean as much as one to the first.
        perform pg_logical_emit_message(true, 'pynenc', '');
    end if;
    if p_registration_keys is null then
        insert into invocation_state (
            invocation_id, app_id, queue, status, status_at, changed_by, rank, due_at, expires_at,
            lane, must_not_wait)
        select c.id, p_app, p_queue, 'registered', v_now, p_changed_by, v_rank, v_due, v_expires,
               c.lane, p_must_not_wait
        from unnest(p_ids, v_lanes) with ordinality c (id, lane, n)
        where cardinality(v_fresh) = cardinality(p_ids)
           or c.id = any (v_fresh) and c.n = array_position(p_ids, c.id);
    elsif p_refuse_different then
        perform refuse_different(p_task, p_ids, v_become, p_call_ids, p_arguments);
    end if;

    if v_fresh <> '{}' and exists (
        select from trigger_watch w where w.app_id = p_app and w.what = 'registered' and w.about = p_task
    ) then
        perform record_causes(v_fresh, array_fill(0, array[cardinality(v_fresh)]),
                              array_fill('registered'::text, array[cardinality(v_fresh)]),
                              array_fill(v_now, array[cardinality(v_fresh)]));
    end if;
    if p_lane_keys is not null and cardinality(v_fresh) < cardinality(p_ids) then
        perform forget_lanes(v_lanes);  -- made for calls that became other ones
    end if;
    if v_due is not null then
        perform notify(p_app, 'due', to_json(extract(epoch from v_due - v_now)));
    elsif not p_own_connection then
        perform notify(p_app, 'work');  -- until it is committed, others may fall asleep
    elsif somebody_idle(p_app, v_now) then
        perform rouse(p_app, p_queue, cardinality(p_ids));
    end if;
    return v_become;
end $$;

-- Accepts calls of one task, all or none; returns the id each became: that of an equal call which
-- succeeded in the p_ttl seconds (null: however long ago) before this one may begin, where there is
-- one. The others are registered, and may serve later calls. With p_key, of one call, that comes first.
-- Moves: (new) -> registered. Locks: those of register_once, whose parameters follow p_ttl; no call
-- waits for one that is equal. Raises: as register_once.
create or replace function {schema}.register_cached(
    p_key text, p_ttl double precision,
    p_app text, p_task text, p_queue text, p_priority double precision, p_delay double precision,
    p_expires_in double precision, p_slots integer, p_must_not_wait boolean, p_parent uuid,
    p_depth integer, p_options text, p_changed_by text, p_own_connection boolean,
    p_ids uuid[], p_call_ids text[], p_arguments text[],
    p_registration_keys text[], p_lane_keys text[], p_refuse_different boolean,
    p_ageing double precision default 60, p_rate integer default null,
    p_rate_period double precision default null, p_at timestamptz default null,
    p_own_workflow boolean default false
) returns uuid[] language plpgsql {definer} as $$
declare
    v_now    constant timestamptz := clock_timestamp();
    v_begins constant timestamptz :=
        greatest(v_now, p_at, v_now + make_interval(secs => coalesce(p_delay, 0)));
    v_first  uuid;
    v_become uuid[];
    v_made   uuid[];
    v_call   record;
begin
    perform check_isolation();
    if p_key is not null then
        v_first := reserve_call(p_app, p_task, p_key, p_ids[1]);
        if v_first is not null then
            return array[v_first];
        end if;
    end if;
    v_become := recall(p_app, p_task, p_ids, p_call_ids, v_begins - make_interval(secs => p_ttl));
    if array_position(v_become, null) is not null then
        select array_agg(c.id order by c.n) as ids, array_agg(c.call_id order by c.n) as call_ids,
               array_agg(c.arguments order by c.n) as arguments,
               array_agg(c.key order by c.n) as keys, array_agg(c.lane order by c.n) as lanes
        into v_call
        from unnest(p_ids, p_call_ids, p_arguments, p_registration_keys, p_lane_keys, v_become)
                 with ordinality c (id, call_id, arguments, key, lane, become, n)
        where c.become is null;
        v_made := register_2(
            p_app, p_task, p_queue, p_priority, p_delay, p_expires_in, p_slots, p_must_not_wait,
            p_parent, p_depth, p_options, p_changed_by, p_own_connection, v_call.ids, v_call.call_ids,
            v_call.arguments, case when p_registration_keys is not null then v_call.keys end,
            case when p_lane_keys is not null then v_call.lanes end, p_refuse_different, p_ageing,
            p_rate, p_rate_period, p_at, p_own_workflow => p_own_workflow);
        select array_agg(coalesce(b.id, v_made[b.k]) order by b.n) into v_become
        from (select u.id, u.n, count(*) filter (where u.id is null) over (order by u.n) as k
              from unnest(v_become) with ordinality u (id, n)) b;
        -- One that was taken by its registration key has a call of its own.
        select array_agg(c.id) as ids, array_agg(c.call_id) as call_ids into v_call
        from unnest(v_call.ids, v_call.call_ids, v_made) c (id, call_id, become) where c.id = c.become;
        if v_call.ids is not null then
            perform remember_calls(p_app, p_task, v_call.ids, v_call.call_ids);
        end if;
    end if;
    if p_key is not null and v_become[1] <> p_ids[1] then
        update call_key k set invocation_id = v_become[1]
        where k.app_id = p_app and k.task_id = p_task and k.key = p_key;
    end if;
    return v_become;
end $$;

-- Accepts one call of a task under an idempotency key; returns, as an array, the id it became: that
-- of the first call with the key, whatever has become of it, or its own.
-- Moves: (new) -> registered. Locks: the key, then as register_2, whose parameters it has.
-- Raises: as register_2; PN015 also where a transaction that does not end holds the key.
create or replace function {schema}.register_once(
    p_key text,
    p_app text, p_task text, p_queue text, p_priority double precision, p_delay double precision,
    p_expires_in double precision, p_slots integer, p_must_not_wait boolean, p_parent uuid,
    p_depth integer, p_options text, p_changed_by text, p_own_connection boolean,
    p_ids uuid[], p_call_ids text[], p_arguments text[],
    p_registration_keys text[], p_lane_keys text[], p_refuse_different boolean,
    p_ageing double precision default 60, p_rate integer default null,
    p_rate_period double precision default null, p_at timestamptz default null,
    p_own_workflow boolean default false
) returns uuid[] language plpgsql {definer} as $$
declare
    v_first  uuid;
    v_become uuid[];
begin
    perform check_isolation();
    v_first := reserve_call(p_app, p_task, p_key, p_ids[1]);
    if v_first is not null then
        return array[v_first];
    end if;
    v_become := register_2(
        p_app, p_task, p_queue, p_priority, p_delay, p_expires_in, p_slots, p_must_not_wait,
        p_parent, p_depth, p_options, p_changed_by, p_own_connection, p_ids, p_call_ids,
        p_arguments, p_registration_keys, p_lane_keys, p_refuse_different, p_ageing, p_rate,
        p_rate_period, p_at, p_own_workflow => p_own_workflow);
    if v_become[1] <> p_ids[1] then
        update call_key k set invocation_id = v_become[1]
        where k.app_id = p_app and k.task_id = p_task and k.key = p_key;
    end if;
    return v_become;
end $$;

-- A runner tells what it knows: all its tasks, with their parameters and options; again if it knows
-- others. Rows are written where something has changed. What was set aside and it can take is made ready;
-- answers how many these were: at most 2,000 at once, so call it again while there are as many.
-- p_tasks: [{"task_id", "fingerprint", "parameters", "options"}]. Locks: lock_tasks, then the runner's row
-- against its removal, then rows by id. Raises: PN010 the runner is unknown or was declared dead.
create or replace function {schema}.register_tasks(p_app text, p_runner text, p_tasks json)
returns integer language plpgsql {definer} as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    perform check_isolation();
    perform lock_tasks(p_app);
    perform from runner r where r.runner_id = p_runner and r.app_id = p_app and r.dead_at is null
    for key share;
    if not found then
        raise exception 'runner % is not registered, or was declared dead', p_runner
            using errcode = 'PN010', hint = 'Its work was given to others; start a new runner.';
    end if;
    insert into task as t (app_id, task_id, fingerprint, parameters, options, told_at)
    select p_app, p.task_id, p.fingerprint, p.parameters, p.options, v_now
    from json_to_recordset(p_tasks) p (task_id text, fingerprint text, parameters json, options json)
    on conflict (task_id, app_id, fingerprint) do update set told_at = excluded.told_at
    where exists (select from task n where n.app_id = t.app_id and n.task_id = t.task_id
                  and n.told_at > t.told_at);
    delete from runner_task k where k.runner_id = p_runner
    and not exists (select from json_to_recordset(p_tasks) p (task_id text) where p.task_id = k.task_id);
    insert into runner_task as k (runner_id, app_id, task_id, fingerprint)
    select p_runner, p_app, p.task_id, p.fingerprint
    from json_to_recordset(p_tasks) p (task_id text, fingerprint text)
    on conflict (runner_id, task_id) do update set fingerprint = excluded.fingerprint
    where k.fingerprint <> excluded.fingerprint;
    -- It has new code: what it refused before may be tried again.
    update aside a set refused_by = array_remove(a.refused_by, p_runner)
    where a.app_id = p_app and a.freed_at is null and p_runner = any (a.refused_by);
    return free_aside(p_app, 2000);
end $$;

-- Tells what triggers the code has: all those of the tasks named, so that others of these tasks go, with
-- what waits for them. Rows are written where something has changed; schedules keep where they stand.
-- p_triggers: [{"trigger_id", "task_id", "definition", "version", "pairs", "within", "watches": [{"what",
-- "about", "condition_id", "filter"}], "schedules": [{"condition_id", "condition"}]}].
-- A trigger that has gone keeps its row for a while: what was on its way when it went is found by maintain.
-- Locks: lock_tasks, so that two deployments do not mix; then the causes by id.
create or replace function {schema}.register_triggers(p_app text, p_tasks text[], p_triggers json)
returns void language plpgsql {definer} as $$
declare
    v_now     timestamptz := clock_timestamp();
    v_gone    text[];
    v_changed text[];
begin
    perform check_isolation();
    perform lock_tasks(p_app);
    v_gone := array(
        select d.trigger_id from trigger_definition d
        where d.app_id = p_app and d.task_id = any (p_tasks) and d.removed_at is null
          and d.trigger_id not in (select x->>'trigger_id' from json_array_elements(p_triggers) x));
    if v_gone <> '{}' then
        delete from trigger_watch w where w.app_id = p_app and w.trigger_id = any (v_gone);
        delete from schedule s where s.app_id = p_app and s.trigger_id = any (v_gone);
        perform drop_causes(p_app, v_gone);
        update trigger_definition d set removed_at = v_now
        where d.app_id = p_app and d.trigger_id = any (v_gone);
    end if;

    with told as (
        insert into trigger_definition as d (
            app_id, trigger_id, task_id, definition, version, pairs, within, told_at)
        select p_app, x.trigger_id, x.task_id, x.definition, x.version, x.pairs, x.within, v_now
        from json_to_recordset(p_triggers) x (
            trigger_id text, task_id text, definition json, version text, pairs boolean,
            within double precision)
        on conflict (app_id, trigger_id) do update
        set task_id = excluded.task_id, definition = excluded.definition, version = excluded.version,
            pairs = excluded.pairs, within = excluded.within, told_at = excluded.told_at, removed_at = null
        where d.version <> excluded.version or d.removed_at is not null
        returning d.trigger_id
    )
    select array_agg(t.trigger_id) into v_changed from told t;
    if v_changed is null then
        return;
    end if;
    delete from trigger_watch w where w.app_id = p_app and w.trigger_id = any (v_changed);
    insert into trigger_watch (app_id, what, about, trigger_id, condition_id, filter)
    select p_app, w.what, w.about, x->>'trigger_id', w.condition_id, w.filter
    from json_array_elements(p_triggers) x
    cross join lateral json_to_recordset(x->'watches') w (
        what text, about text, condition_id text, filter jsonb)
    where x->>'trigger_id' = any (v_changed)
    on conflict do nothing;
    delete from schedule s where s.app_id = p_app and s.trigger_id = any (v_changed) and not exists (
        select from json_array_elements(p_triggers) x, json_array_elements(x->'schedules') c
        where x->>'trigger_id' = s.trigger_id and c->>'condition_id' = s.condition_id);
    insert into schedule as s (app_id, trigger_id, condition_id, condition, settled)
    select p_app, x->>'trigger_id', c.condition_id, c.condition, v_now
    from json_array_elements(p_triggers) x
    cross join lateral json_to_recordset(x->'schedules') c (condition_id text, condition json)
    where x->>'trigger_id' = any (v_changed)
    on conflict (app_id, trigger_id, condition_id) do update
    set condition = excluded.condition, next_at = null;
    perform notify(p_app, 'cause');
end $$;

-- Gives back what a runner holds; spends no retry and no recovery. Answers only those lost.
-- Moves: pending -> rerouted; running, paused, resumed -> killed -> rerouted; with cancellation
-- asked for: -> failed. Locks: lanes by key, then rows by id.
create or replace function {schema}.release(p_app text, p_runner text, p_ids uuid[], p_leases bigint[])
returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
begin
    return query
    select g.id, 'lost' from unnest(give_back(p_app, p_runner, p_ids, p_leases, null)) g (id);
end $$;

-- Gives back what a runner holds without knowing: claims whose answers were lost on the way.
-- p_known: what it knows of. Answers how many there were. Moves and locks: as release; first the
-- runner's row, so that a claim of it that is still under way is waited for.
create or replace function {schema}.release_strays(p_app text, p_runner text, p_known uuid[])
returns integer language plpgsql {definer} as $$
declare
    v_ids    uuid[];
    v_leases bigint[];
begin
    perform check_isolation();
    perform from runner r
    where r.runner_id = p_runner and r.app_id is not distinct from p_app for update;
    select array_agg(s.invocation_id), array_agg(s.lease) into v_ids, v_leases
    from invocation_state s
    where s.runner_id = p_runner and s.runner_id is not null and s.app_id = p_app
      and s.invocation_id <> all (p_known);
    if v_ids is null then
        return 0;
    end if;
    perform release(p_app, p_runner, v_ids, v_leases);
    return cardinality(v_ids);
end $$;

-- Notes new invocations that may serve later calls which are equal; forgets those of before that
-- have ended, but the one that succeeded last. Of one call no more than 100 are known at a time, so
-- that a look at them stays short however many wait to be run. Internal to register_cached.
-- Locks: what it forgets, and passes over what others do.
create or replace function {schema}.remember_calls(
    p_app text, p_task text, p_ids uuid[], p_call_ids text[]
) returns void language plpgsql as $$
declare
    v_spare uuid[];
begin
    v_spare := array(
        select x.invocation_id
        from (select distinct u.call_id from unnest(p_call_ids) u (call_id)) c
        cross join lateral (
            select r.invocation_id, o.status,
                   row_number() over (order by o.status = 'success' desc, o.finished_at desc,
                                      r.invocation_id desc) as n
            from (select r.invocation_id from call_result r
                  where r.app_id = p_app and r.task_id = p_task and r.call_id = c.call_id offset 0) r
            cross join lateral (
                select o.status, o.finished_at from invocation_outcome o
                where o.invocation_id = r.invocation_id offset 0) o) e
        cross join lateral (
            select x.invocation_id from call_result x
            where x.invocation_id = e.invocation_id offset 0 for update skip locked) x
        where e.n > 1 or e.status <> 'success');
    if v_spare <> '{}' then
        delete from call_result r where r.invocation_id = any (v_spare);
    end if;

    insert into call_result (app_id, task_id, call_id, invocation_id)
    select p_app, p_task, c.call_id, i.id
    from (select u.call_id, array_agg(u.id order by u.n) as ids
          from unnest(p_ids, p_call_ids) with ordinality u (id, call_id, n) group by u.call_id) c
    cross join lateral (
        select count(*)::integer as n from (
            select from call_result r
            where r.app_id = p_app and r.task_id = p_task and r.call_id = c.call_id limit 100) r) known
    cross join lateral unnest(c.ids[:100 - known.n]) i (id)
    on conflict do nothing;
end $$;

-- Lets a schedule have other times from now on, or those of the code again (null); answers whether there is
-- such a schedule. A deploy leaves that alone, until the code itself has other times.
-- p_edited: the condition, as the code would have it. Locks: the schedule.
create or replace function {schema}.reschedule(p_app text, p_trigger text, p_condition text, p_edited text)
returns boolean language plpgsql {definer} as $$
begin
    perform check_isolation();
    update schedule s set edited = p_edited::json, settled = clock_timestamp(), next_at = null
    where s.app_id = p_app and s.trigger_id = p_trigger and s.condition_id = p_condition;
    if found then
        perform notify(p_app, 'cause');
    end if;
    return found;
end $$;

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

-- Writes the hot rows of calls of which some have a registration key, one per key; a call whose
-- key is taken by a not-yet-started invocation becomes that one. Internal; answers in order.
-- Locks: the rows that hold the keys, by id like every verb; rows that appear meanwhile, by key.
-- The lock keeps an invocation that is reused from starting before the caller commits.
create or replace function {schema}.reserve_keys(
    p_app text, p_queue text, p_now timestamptz, p_due timestamptz, p_expires timestamptz,
    p_rank double precision, p_must_not_wait boolean, p_changed_by text,
    p_ids uuid[], p_keys text[], p_lanes bigint[]
) returns uuid[] language plpgsql as $$
declare
    v_become uuid[];
    v_held   uuid[];
begin
    v_held := array(select s.invocation_id from unnest(p_keys) k (key) cross join lateral (
                        select s.invocation_id from invocation_state s
                        where s.app_id = p_app and s.registration_key = k.key offset 0) s);
    perform from invocation_state s where s.invocation_id = any (v_held)
    order by s.invocation_id for no key update;

    with call as (
        select c.id, c.key, c.lane, c.n
        from unnest(p_ids, p_keys, p_lanes) with ordinality c (id, key, lane, n)
    ), once as materialized (
        -- The same id again is the same call: here, and from an earlier try.
        select distinct on (c.id) c.* from call c order by c.id, c.n
    ), known as materialized (
        select c.id from once c where exists (
            select from invocation i where i.invocation_id = c.id offset 0)
    ), first as (
        select distinct on (c.key, c.alone) c.id, c.key, c.lane
        from (select *, case when key is null then id end as alone from once) c
        where c.id not in (select id from known) order by c.key, c.alone, c.n
    ), held as (
        insert into invocation_state as s (
            invocation_id, app_id, queue, status, status_at, changed_by, rank, due_at, expires_at,
            lane, must_not_wait, registration_key)
        select f.id, p_app, p_queue, 'registered', p_now, p_changed_by, p_rank, p_due, p_expires,
               f.lane, p_must_not_wait, f.key
        from first f order by f.key
        on conflict (app_id, registration_key) where registration_key is not null
        do update set previous_status = s.status
        returning s.invocation_id, s.registration_key
    )
    select array_agg(case when o.key is null or o.id in (select id from known) then o.id
                     else h.invocation_id end order by c.n)
    into v_become
    from call c join once o on o.id = c.id left join held h on h.registration_key = o.key;
    return v_become;
end $$;

-- Lets invocations go on after a wait. Answers only those that were not done: lost | already.
-- Moves: paused -> resumed. Locks: rows by id. p_forget: what is not waited for any longer.
create or replace function {schema}.resume(
    p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_forget uuid[]
) returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
declare
    v_now  timestamptz := clock_timestamp();
    v_done uuid[];
begin
    perform check_isolation();
    with mine as materialized (
        select s.invocation_id
        from (select * from unnest(p_ids, p_leases) h (id, lease) order by id) h cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = h.id and s.lease = h.lease
              and s.runner_id is not distinct from p_runner and s.status = 'paused'
            offset 0 for no key update) s
    ), gone_on as (
        update invocation_state s
        set status = 'resumed', previous_status = s.status,
            status_at = greatest(v_now, s.status_at), reason = null, rev = s.rev + 1,
            proof = s.lease + s.rev + 1, changed_by = p_runner
        from mine m where s.invocation_id = any (array[m.invocation_id])
        returning s.invocation_id
    )
    select array(select g.invocation_id from gone_on g) into v_done;
    if p_forget <> '{}' then
        delete from wait_edge w where w.edge_id = any (array(
            select e.edge_id from unnest(p_ids, p_leases) h (id, lease)
            cross join lateral (select from invocation_state s
                                where s.invocation_id = h.id and s.lease = h.lease offset 0) s
            cross join lateral (select e.edge_id, e.awaited_id from wait_edge e
                                where e.waiter_id = h.id offset 0) e
            where e.awaited_id = any (p_forget)));
    end if;
    if cardinality(v_done) = cardinality(p_ids) then
        return;
    end if;
    return query
    select h.id, case when exists (
        select from invocation_state s where s.invocation_id = h.id
        and s.runner_id is not distinct from p_runner and s.lease = h.lease
        and s.status in ('running', 'resumed') offset 0) then 'already' else 'lost' end
    from unnest(p_ids, p_leases) h (id, lease) where h.id <> all (v_done);
end $$;

-- Ends an attempt after which another one is to follow. Answers only those not done: lost | already.
-- Moves: running, resumed -> retry; with cancellation asked for: -> failed after it.
-- Locks: lanes by key, then rows by id. retries grow with the reasons error and timeout alone.
create or replace function {schema}.retry(
    p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_reasons text[],
    p_delays double precision[], p_errors text[]
) returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
declare
    v_now   timestamptz := clock_timestamp();
    v_lanes bigint[];
    v_done  uuid[];
    v_off   uuid[];
    v_next  double precision;
    v_waits boolean;
    v_ready boolean;
begin
    perform check_isolation();
    v_lanes := lock_lanes(p_ids);
    with mine as materialized (
        select s.invocation_id, e.reason, e.delay, e.error
        from (select * from unnest(p_ids, p_leases, p_reasons, p_delays, p_errors)
                   e (id, lease, reason, delay, error) order by id) e
        cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = e.id and s.lease = e.lease
              and s.runner_id is not distinct from p_runner and s.status in ('running', 'resumed')
            offset 0 for no key update) s
    ), again as (
        update invocation_state s
        set status = 'retry', previous_status = s.status,
            status_at = greatest(v_now, s.status_at), reason = m.reason, runner_id = null,
            rev = s.rev + 1, proof = s.lease + s.rev + 1, changed_by = p_runner,
            retries = s.retries + (m.reason in ('error', 'timeout'))::int,
            due_at = case when m.delay > 0 then v_now + make_interval(secs => m.delay) end
        from mine m where s.invocation_id = any (array[m.invocation_id])
        returning s.invocation_id, s.rev, m.error, m.delay, s.reason, s.cancel_requested_at
    ), kept as (
        insert into invocation_error (invocation_id, rev, error, at)
        select a.invocation_id, a.rev, a.error::json, v_now from again a where a.error is not null
    )
    select array_agg(a.invocation_id),
           array_agg(a.invocation_id) filter (where a.cancel_requested_at is not null),
           min(a.delay) filter (where a.delay > 0), bool_or(a.reason in ('event', 'paused')),
           bool_or(coalesce(a.delay, 0) <= 0)
    into v_done, v_off, v_next, v_waits, v_ready from again a;

    if v_done is not null then
        delete from wait_edge e where e.waiter_id = any (v_done);
    end if;
    if v_off is not null then
        perform end_unowned(v_off, 'failed', 'cancelled', p_runner);
    end if;
    if v_lanes is not null then
        perform free_slots(p_app, v_lanes, v_done, p_runner);
    end if;
    if v_ready then
        perform rouse(p_app, null, cardinality(v_done));
    end if;
    if v_waits then  -- it may have been woken before it came to rest: promote knows
        v_next := 0;
    end if;
    if v_next is not null then
        perform notify(p_app, 'due', to_json(v_next));
    end if;
    if cardinality(v_done) = cardinality(p_ids) then
        return;
    end if;
    return query
    select e.id, case when exists (
        select from invocation_history h where h.invocation_id = e.id and h.status = 'retry'
        and h.lease = e.lease offset 0) then 'already' else 'lost' end
    from unnest(p_ids, p_leases) e (id, lease) where e.id <> all (coalesce(v_done, '{}'));
end $$;

-- Runs again what has ended, as a new invocation with the same task, arguments, queue, priority and
-- options, and retried_from: for psql, triggers and other languages. Answers the new one's id.
-- Moves: (new) -> registered. Locks: the old one against its removal, then those of register_2.
-- Raises: PN014 nobody knows it, PN024 it has not ended; PN020, PN021, PN023 as enqueue, for the task as
-- it is now.
create or replace function {schema}.retry(id uuid)
returns uuid language plpgsql {definer} as $$
#variable_conflict use_variable
declare
    v_old  {schema}.invocation;
    v_task {schema}.task;
    v_new  uuid;
begin
    perform check_isolation();
    select i.* into v_old from invocation i where i.invocation_id = id for key share;
    if not found then
        raise exception 'no invocation %', id
            using errcode = 'PN014', hint = 'It was never registered, was purged, or is past its retention.';
    elsif not exists (select from invocation_outcome o where o.invocation_id = id) then
        raise exception 'invocation % of % has not ended', id, v_old.task_id
            using errcode = 'PN024', hint = 'Wait for its end, or call cancel first.';
    end if;
    v_task := find_task(v_old.app_id, v_old.task_id);
    perform check_call(v_task, v_old.arguments);
    v_new := enqueue_known(v_task, v_old.arguments, v_old.queue, v_old.priority, null, null, null,
                           v_old.options, id);
    insert into payload_ref (app_id, sha256, invocation_id)
    select distinct v_old.app_id, decode(a.value->>'$ref', 'hex'), v_new from json_each(v_old.arguments) a
    where json_typeof(a.value) = 'object' and a.value->>'$ref' ~ '^[0-9a-f]{64}$'
    order by 2 on conflict do nothing;
    return v_new;
end $$;

-- Has causes looked at again that were parked; answers how many there were.
create or replace function {schema}.retry_causes(p_app text, p_trigger text) returns integer
language plpgsql {definer} as $$
declare
    v_count integer;
begin
    perform check_isolation();
    update trigger_cause c set state = 'new', attempts = 0, due_at = clock_timestamp(), error = null
    where c.app_id = p_app and c.trigger_id = p_trigger and c.state = 'parked';
    get diagnostics v_count = row_count;
    if v_count > 0 then
        perform notify(p_app, 'cause');
    end if;
    return v_count;
end $$;

-- As retry, with other arguments: those of p_changed, which are plain JSON and nothing else, whichever
-- serializer the task has, and those of p_kept as they were. What is in neither is left out.
-- Moves: (new) -> registered. Locks: the old one against its removal, then those of register_2.
-- Raises: PN014 nobody knows it, PN024 it has not ended; PN020, PN021, PN023 as enqueue.
create or replace function {schema}.retry_with(p_app text, p_id uuid, p_changed text, p_kept text[])
returns uuid language plpgsql {definer} as $$
declare
    v_changed   constant json := p_changed::json;
    v_old       {schema}.invocation;
    v_task      {schema}.task;
    v_arguments json;
    v_new       uuid;
begin
    perform check_isolation();
    select i.* into v_old from invocation i where i.invocation_id = p_id and i.app_id = p_app
    for key share;
    if not found then
        raise exception 'no invocation %', p_id
            using errcode = 'PN014', hint = 'It was never registered, was purged, or is past its retention.';
    elsif not exists (select from invocation_outcome o where o.invocation_id = p_id) then
        raise exception 'invocation % of % has not ended', p_id, v_old.task_id
            using errcode = 'PN024', hint = 'Wait for its end, or call cancel first.';
    elsif json_typeof(v_changed) <> 'object' then
        raise exception 'the arguments of % must be a JSON object, not %', v_old.task_id, json_typeof(v_changed)
            using errcode = 'PN021', hint = 'Give them by name: {"x": 1}.';
    end if;
    v_task := find_task(p_app, v_old.task_id);
    perform check_containers(v_task, v_changed);
    select '{' || coalesce(string_agg(to_json(a.key)::text || ':' || a.value::text, ','), '') || '}'
    into v_arguments
    from (select e.key, e.value from json_each(v_old.arguments) e where e.key = any (p_kept)
          union all
          select c.key, plain_wire(c.value) from json_each(v_changed) c where c.key <> all (p_kept)) a;
    perform check_call(v_task, v_arguments);
    v_new := enqueue_known(v_task, v_arguments, v_old.queue, v_old.priority, null, null, null,
                           v_old.options, p_id);
    insert into payload_ref (app_id, sha256, invocation_id)
    select distinct p_app, decode(a.value->>'$ref', 'hex'), v_new
    from json_each(v_old.arguments) a
    where a.key = any (p_kept) and json_typeof(a.value) = 'object' and a.value->>'$ref' ~ '^[0-9a-f]{64}$'
    order by 2 on conflict do nothing;
    return v_new;
end $$;

-- Has others look at the causes that runners looked at which are no more. Internal to recover and
-- unregister_runner. Locks: the causes by id, after all else.
create or replace function {schema}.return_causes(p_app text, p_runners text[]) returns void
language plpgsql as $$
declare
    v_ids bigint[];
begin
    v_ids := array(
        select c.cause_id from (
            select * from trigger_cause c where c.taken_by = any (p_runners)
            order by c.cause_id offset 0 for no key update) c
        where c.app_id = p_app and c.state = 'new');
    if v_ids <> '{}' then
        update trigger_cause c set due_at = clock_timestamp(), taken_by = null where c.cause_id = any (v_ids);
        perform notify(p_app, 'cause');
    end if;
end $$;

-- Tells runners of the app that there is work for p_count of them (of one queue, or null). Where more of
-- them sleep than that, so many of those are named and one more, by chance; the others look within a
-- second. Each that looks costs a claim, and there may be hundreds. Internal.
create or replace function {schema}.rouse(p_app text, p_queue text, p_count integer) returns void
language plpgsql as $$
declare
    v_most   constant integer := greatest(p_count, 1) + 1;
    v_asleep integer;
    v_named  text[];
begin
    select count(*), (array_agg(r.runner_id order by not r.idle, random()))[1:v_most]
    into v_asleep, v_named
    from runner r
    where r.app_id = p_app and (r.idle or r.idle_at > clock_timestamp() - interval '1 second')
      and (p_queue is null or r.queues = '{}' or p_queue = any (r.queues));
    perform notify(p_app, 'work', case when v_asleep > v_most then to_json(v_named) end);
end $$;

-- Where the schedules of an app stand that are not paused, with the database's time.
create or replace function {schema}.schedules(p_app text)
returns table (trigger_id text, condition_id text, condition text, settled timestamptz, next_at timestamptz,
               now timestamptz, edited boolean)
language sql stable {definer} as $$
    select s.trigger_id, s.condition_id, coalesce(s.edited, s.condition)::text, s.settled, s.next_at,
           clock_timestamp(), s.edited is not null
    from schedule s join trigger_definition d on d.app_id = s.app_id and d.trigger_id = s.trigger_id
    where s.app_id = p_app and d.paused_at is null
    order by s.trigger_id, s.condition_id
$$;

-- The revision of the schema, and the oldest one whose workers it still serves. For whoever starts: what is
-- older than the second, or needs more than the first, says so and does not begin.
create or replace function {schema}.schema_version(out revision text, out serves_from text)
language sql immutable {definer} as $$ select 'pynenc_0002'::text, 'pynenc_0001'::text $$;

-- Gives back what the runner's own code cannot take, and sets it aside until a runner comes that can.
-- Where one is there already it is offered again soon, later with each refusal: two versions of the code
-- may run side by side, and a claim does not ask who can take what. Answers only those not done.
-- p_said: {"cause", "missing", "unknown"} of each. Spends no retry, and what must be begun in its time
-- and never was has to still.
-- Moves: running, resumed -> retry (snoozed); with cancellation asked for: -> failed after it.
-- Locks: lock_tasks, then lanes by key, then rows by id.
create or replace function {schema}.set_aside(
    p_app text, p_runner text, p_ids uuid[], p_leases bigint[], p_said text[]
) returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
#variable_conflict use_column
declare
    v_now     timestamptz := clock_timestamp();
    v_not     uuid[];
    v_answers text[];
    v_kept    uuid[];
    v_again   uuid[];
    v_next    double precision;
begin
    perform check_isolation();
    perform lock_tasks(p_app);
    select coalesce(array_agg(r.invocation_id), '{}'), array_agg(r.answer) into v_not, v_answers
    from retry(p_app, p_runner, p_ids, p_leases,
               array_fill('snoozed'::text, array[cardinality(p_ids)]),
               array_fill(100 * 365.25 * 86400::double precision, array[cardinality(p_ids)]),
               array_fill(null::text, array[cardinality(p_ids)])) r;
    with kept as (
        insert into aside as a (invocation_id, app_id, task_id, queue, names, cause, missing, unknown,
                                refused_by, refusals, since)
        select i.invocation_id, p_app, i.task_id, i.queue,
               array(select distinct k from json_object_keys(i.arguments) k order by k),
               e.said->>'cause', array(select json_array_elements_text(e.said->'missing')),
               array(select json_array_elements_text(e.said->'unknown')), array[p_runner], 1, v_now
        from (select distinct on (u.id) u.id, u.said::json as said from unnest(p_ids, p_said) u (id, said)
              where u.id <> all (v_not) order by u.id) e
        cross join lateral (select s.queue from invocation_state s
                            where s.invocation_id = e.id and s.status = 'retry' offset 0) s
        cross join lateral (select * from invocation i where i.invocation_id = e.id offset 0) i
        on conflict (invocation_id) do update
        set cause = excluded.cause, missing = excluded.missing, unknown = excluded.unknown,
            refused_by = array_remove(a.refused_by, p_runner) || p_runner,
            refusals = a.refusals + 1, since = excluded.since, freed_at = null
        returning a.invocation_id
    )
    select array(select k.invocation_id from kept k) into v_kept;

    update invocation_state s set expires_at = i.expires_at, previous_status = s.status
    from unnest(v_kept) k (id)
    cross join lateral (select i.expires_at from invocation i where i.invocation_id = k.id offset 0) i
    cross join lateral (select a.refusals from aside a where a.invocation_id = k.id offset 0) a
    where s.invocation_id = any (array[k.id]) and i.expires_at is not null and a.refusals >= (
        select count(*) from invocation_history h where h.invocation_id = k.id and h.status = 'running');

    v_again := array(select k.id from unnest(v_kept) k (id) cross join lateral (
                         select * from aside a where a.invocation_id = k.id offset 0) a
                     where is_able(p_app, a.task_id, a.queue, a.names, a.refused_by));
    if v_again <> '{}' then
        update aside a set freed_at = v_now where a.invocation_id = any (v_again);
        with soon as (
            update invocation_state s
            set previous_status = s.status,
                -- At random: else the same runner might be the first each time.
                due_at = v_now + make_interval(
                    secs => (0.5 + random() / 2) * least(5, 0.25 * 2 ^ least(a.refusals - 1, 10)))
            from unnest(v_again) k (id) cross join lateral (
                select a.refusals from aside a where a.invocation_id = k.id offset 0) a
            where s.invocation_id = any (array[k.id])
            returning s.due_at
        )
        select extract(epoch from min(n.due_at) - v_now) into v_next from soon n;
        perform notify(p_app, 'due', to_json(v_next));
    end if;
    return query select * from unnest(v_not, v_answers);
end $$;

-- What became of looking at causes, where it did not come to a firing. p_verdicts: no: it does not meet
-- its condition; yes: it does, and waits for the others; later: it could not be looked at, and is due
-- again in p_delays seconds; park: that has happened often enough. Answers how many were still the
-- caller's: by attempts, which each look makes one more. Locks: the causes by id.
create or replace function {schema}.settle_causes(
    p_app text, p_causes bigint[], p_attempts integer[], p_verdicts text[], p_delays double precision[],
    p_errors text[]
) returns integer language plpgsql {definer} as $$
declare
    v_now  timestamptz := clock_timestamp();
    v_mine bigint[];
begin
    perform check_isolation();
    v_mine := array(
        select c.cause_id from (
            select * from unnest(p_causes, p_attempts) a (id, attempts) order by id) a
        cross join lateral (
            select * from trigger_cause c where c.cause_id = a.id offset 0 for update) c
        where c.attempts = a.attempts and c.state = 'new' and c.app_id = p_app);
    delete from trigger_cause c where c.cause_id = any (array(
        select m.id from unnest(p_causes, p_verdicts) v (id, verdict)
        cross join lateral (select x.partners from trigger_cause x where x.cause_id = v.id offset 0) x
        cross join lateral unnest(x.partners || v.id) m (id)
        where v.verdict = 'no' and v.id = any (v_mine)));
    update trigger_cause c
    set state = case v.verdict when 'yes' then 'waiting' when 'park' then 'parked' else 'new' end,
        due_at = v_now + make_interval(secs => coalesce(v.delay, 0)), error = v.error, taken_by = null
    from unnest(p_causes, p_verdicts, p_delays, p_errors) v (id, verdict, delay, error)
    where c.cause_id = any (array[v.id]) and v.verdict <> 'no' and v.id = any (v_mine);
    return cardinality(v_mine);
end $$;

-- Work with a concurrency key, second half of claim: gives back the slots of candidates that were
-- not taken, notes whose turn it was and what counts for rate limits; in lanes without room ends
-- those that must not wait, and parks the next ready one of those that are now full (so that people
-- see what it waits for). Internal: the lanes are locked by claim.
-- Moves: available -> concurrency_controlled | concurrency_controlled_final.
create or replace function {schema}.settle_slots(
    p_app text, p_lanes bigint[], p_candidates uuid[], p_taken uuid[], p_runner text, p_now timestamptz
) returns void language plpgsql as $$
declare
    v_served bigint[];
    v_last   bigint[];
    v_full   bigint[];
    v_shut   bigint[];
    v_ids    uuid[];
begin
    delete from slot x
    where x.invocation_id = any (p_candidates) and x.invocation_id <> all (p_taken);
    select array_agg(t.lane), array_agg(t.last) into v_served, v_last from (
        select x.lane, max(t.n) as last from unnest(p_taken) with ordinality t (id, n)
        cross join lateral (select x.lane from slot x where x.invocation_id = t.id offset 0) x
        group by x.lane) t;
    -- Of several that are served by one claim the last comes last at the next.
    update lane l
    set served = p_now - make_interval(
            secs => l.ahead - v_last[array_position(v_served, l.lane_id)] * 0.000001)
    where l.lane_id = any (v_served);
    if exists (select from lane l where l.lane_id = any (p_lanes) and l.rate is not null) then
        perform note_starts(p_app, p_lanes, p_taken, p_now);
    end if;
    select array_agg(l.lane_id) filter (where l.slots <= (select count(*) from slot x
                                                           where x.lane = l.lane_id)),
           array_agg(l.lane_id) filter (where l.next_at > p_now) into v_full, v_shut
    from lane l where l.lane_id = any (p_lanes);
    v_ids := array(select s.invocation_id from invocation_state s
                   where s.lane = any (v_full || v_shut) and s.must_not_wait and s.due_at is null
                     and s.available and not s.parked
                     and s.invocation_id <> all (p_taken)
                   for update skip locked);
    if v_ids <> '{}' then
        perform end_unowned(v_ids, 'concurrency_controlled_final', null, p_runner);
    end if;

    v_ids := array(
        select n.invocation_id from unnest(v_full) f (lane) cross join lateral (
            select s.invocation_id from invocation_state s
            where s.lane = f.lane and s.lane is not null and s.due_at is null
              and s.available and not s.parked
              and s.invocation_id <> all (p_taken)
            order by s.rank, s.invocation_id limit 1 for no key update skip locked) n
        -- Only where this claim took something: a lane that was full before was not offered.
        where exists (select from slot x where x.lane = f.lane and x.invocation_id = any (p_taken) offset 0));
    update invocation_state s
    set status = 'concurrency_controlled', previous_status = s.status,
        status_at = greatest(p_now, s.status_at), reason = null, rev = s.rev + 1,
        changed_by = p_runner
    where s.invocation_id = any (v_ids);
end $$;

-- Finds or makes the lanes of concurrency keys and holds them (key share, by key) so that
-- maintain cannot remove them before the calls stand in them. The newest call says how many slots
-- a lane has, its rate limit, and by how many seconds its turn comes earlier than its time (p_ahead).
-- Internal; answers in order.
create or replace function {schema}.share_lanes(
    p_app text, p_queue text, p_keys text[], p_slots integer, p_rate integer,
    p_rate_period double precision, p_ahead double precision, p_must_not_wait boolean,
    p_now timestamptz, p_changed_by text
) returns bigint[] language plpgsql as $$
declare
    v_lanes bigint[];
begin
    loop
        insert into lane (app_id, queue, key, slots, rate, rate_period, ahead, impatient, served)
        select p_app, p_queue, k.key, p_slots, p_rate, p_rate_period, p_ahead, p_must_not_wait,
               p_now - make_interval(secs => p_ahead)
        from (select distinct key from unnest(p_keys) key where key is not null order by key) k
        on conflict (app_id, key) do nothing;

        perform from (select key from unnest(p_keys) key order by key) k cross join lateral (
            select from lane l where l.app_id = p_app and l.key = k.key offset 0 for key share) l;

        select array_agg(l.lane_id order by k.n) into v_lanes
        from unnest(p_keys) with ordinality k (key, n)
        left join lateral (select l.lane_id from lane l
                           where l.app_id = p_app and l.key = k.key offset 0) l on true;
        -- A lane that was idle may have been removed between the two statements: once more.
        exit when cardinality(array_remove(v_lanes, null)) = cardinality(array_remove(p_keys, null));
    end loop;

    if exists (select from lane l where l.lane_id = any (v_lanes)
               and (l.slots <> p_slots or l.queue <> p_queue or l.ahead <> p_ahead
                    or l.impatient < p_must_not_wait
                    or (l.rate, l.rate_period) is distinct from (p_rate, p_rate_period))) then
        perform from lane l where l.lane_id = any (v_lanes) order by l.key for no key update;
        -- Another rate limit: the next claim finds out how long the lane is shut.
        update lane l
        set slots = p_slots, queue = case when l.queue = p_queue then l.queue end,
            ahead = p_ahead, rate = p_rate, rate_period = p_rate_period,
            impatient = l.impatient or p_must_not_wait,
            open = l.impatient or p_must_not_wait
                   or p_slots > (select count(*) from slot x where x.lane = l.lane_id),
            next_at = case when (l.rate, l.rate_period) is not distinct from (p_rate, p_rate_period)
                           then l.next_at end
        where l.lane_id = any (v_lanes)
          and (l.slots <> p_slots or l.queue <> p_queue or l.ahead <> p_ahead
               or l.impatient < p_must_not_wait
               or (l.rate, l.rate_period) is distinct from (p_rate, p_rate_period));
        -- More slots than before: who was parked need not wait for the next end.
        if reroute_parked(v_lanes, p_changed_by) then
            perform notify(p_app, 'work');
        end if;
    end if;
    return v_lanes;
end $$;

-- Begins what was claimed. Answers only those that were not done: lost | already.
-- Moves: pending -> running; with cancellation asked for: pending -> rerouted -> failed.
-- Locks: rows by id (and, for the cancelled, their lanes first).
create or replace function {schema}.start(p_app text, p_runner text, p_ids uuid[], p_leases bigint[])
returns table (invocation_id uuid, answer text) language plpgsql {definer} as $$
declare
    v_now    timestamptz := clock_timestamp();
    v_done   uuid[];
    v_off    uuid[];
    v_leases bigint[];
begin
    perform check_isolation();
    select array_agg(s.invocation_id), array_agg(s.lease) into v_off, v_leases
    from unnest(p_ids, p_leases) h (id, lease) cross join lateral (
        select * from invocation_state s where s.invocation_id = h.id offset 0) s
    where s.lease = h.lease and s.status = 'pending' and s.cancel_requested_at is not null;
    if v_off is not null then
        perform release(p_app, p_runner, v_off, v_leases);
    end if;

    with mine as materialized (
        select s.invocation_id
        from (select * from unnest(p_ids, p_leases) h (id, lease) order by id) h cross join lateral (
            select s.invocation_id from invocation_state s
            where s.invocation_id = h.id and s.lease = h.lease
              and s.runner_id is not distinct from p_runner and s.status = 'pending'
            offset 0 for no key update) s
    ), begun as (
        update invocation_state s
        set status = 'running', previous_status = s.status,
            status_at = greatest(v_now, s.status_at), reason = null, rev = s.rev + 1,
            proof = s.lease + s.rev + 1, changed_by = p_runner, registration_key = null,
            expires_at = null
        from mine m where s.invocation_id = any (array[m.invocation_id])
        returning s.invocation_id
    )
    select array(select b.invocation_id from begun b) into v_done;
    if cardinality(v_done) = cardinality(p_ids) then
        return;
    end if;
    return query
    select h.id, case when exists (
        select from invocation_state s where s.invocation_id = h.id
        and s.runner_id is not distinct from p_runner
        and s.lease = h.lease offset 0) then 'already' else 'lost' end
    from unnest(p_ids, p_leases) h (id, lease) where h.id <> all (v_done);
end $$;

-- How many starts of a lane count for its rate limit. Internal.
create or replace function {schema}.starts_since(p_lane {schema}.lane, p_now timestamptz)
returns integer language plpgsql stable as $$
begin
    if p_lane.rate is null then
        return 0;
    end if;
    return (select coalesce(sum(s.n), 0) from unnest(p_lane.started, p_lane.started_count) s (at, n)
            where s.at > p_now - make_interval(secs => p_lane.rate_period));
end $$;

-- What stood where at a moment, by the history: what had been called and had not ended, p_limit at most, the
-- oldest first. For people: it reads the history from its first partition to that moment.
create or replace function {schema}.state_at(p_app text, p_at timestamptz, p_limit integer default 1000)
returns table (invocation_id uuid, task_id text, status text, reason text, runner_id text, since timestamptz)
language plpgsql stable security definer set search_path = {schema}, pg_catalog, pg_temp set jit = off as $$
#variable_conflict use_column
begin
    return query
    select h.invocation_id, i.task_id, h.status::text, h.reason, h.runner_id, h.at
    from (
        select distinct on (e.invocation_id) e.* from invocation_history e
        where e.app_id = p_app and e.at <= p_at
        order by e.invocation_id, e.rev desc) h
    join invocation i on i.invocation_id = h.invocation_id
    where h.status not in ('success', 'failed', 'concurrency_controlled_final')
    order by h.invocation_id limit p_limit;
end $$;

-- Steps of a run as their readers want them, in the order in which they were written: all, or the one at a
-- path. Internal.
create or replace function {schema}.step_as_read(
    p_id uuid, p_path text default null, p_run integer default null
) returns table (
    path text, run integer, kind text, about text, value text, at timestamptz, retries integer,
    survived text[], key text, event_id uuid, child_id uuid, failed boolean, left_seconds double precision
) language plpgsql stable as $$
begin
    return query
    select s.path, s.run, s.kind, s.about, s.value::text, s.at, s.retries,
           coalesce(s.survived, '{}'), s.key, s.event_id, s.child_id,
           exists (select from invocation_outcome o
                   where o.invocation_id = s.child_id and o.status <> 'success' offset 0),
           case s.kind
               when 'sleep' then extract(epoch from (s.value#>>'{}')::timestamptz - clock_timestamp())
               when 'pause' then (select 100 * 365.25 * 86400 from workflow w
                                  where w.invocation_id = p_id and w.paused_at is not null)
           end::double precision
    from workflow_step s
    where s.invocation_id = p_id
      and (p_path is null or s.path = p_path) and (p_run is null or s.run = p_run)
    order by s.step_id;
end $$;

-- Work that stands although a runner is there that would do it: for a minute, which is many looks. Internal to
-- broken.
create or replace function {schema}.stranded(p_app text, p_limit integer)
returns table (invariant text, rule text, about text[]) language plpgsql stable as $$
#variable_conflict use_column
declare
    v_then constant timestamptz := clock_timestamp() - interval '1 minute';
begin
    return query
    with live as materialized (
        select r.*, (select count(*) from invocation_state s
                     where s.runner_id = r.runner_id and s.status <> 'paused') as taken
        from runner r
        where (p_app is null or r.app_id = p_app) and r.dead_at is null
          and r.lease_until >= clock_timestamp() and r.registered_at < v_then
    )
    (select 'I11', 'is held by a runner that nobody knows', array[s.invocation_id::text, s.runner_id]
     from invocation_state s
     where (p_app is null or s.app_id = p_app) and s.runner_id is not null
       and not exists (select from runner r where r.runner_id = s.runner_id)
     limit p_limit)
    union all
    (select 'I11', 'is held by a dead runner, though others live',
            array[s.invocation_id::text, s.runner_id, d.lease_until::text]
     from runner d join invocation_state s on s.runner_id = d.runner_id
     where (p_app is null or d.app_id = p_app) and (d.dead_at < v_then or d.lease_until < v_then)
       and exists (select from live r where r.app_id = d.app_id and r.runner_id <> d.runner_id)
     limit p_limit)
    union all
    (select 'I11', 'was due, and nobody made it ready', array[s.invocation_id::text, s.due_at::text]
     from invocation_state s
     where (p_app is null or s.app_id = p_app) and s.due_at < v_then
       and exists (select from live r where r.app_id = s.app_id)
     limit p_limit)
    union all
    (select 'I11', 'should have begun, and nobody ended it', array[s.invocation_id::text, s.expires_at::text]
     from invocation_state s
     where (p_app is null or s.app_id = p_app) and s.expires_at < v_then and s.runner_id is null
       and exists (select from live r where r.app_id = s.app_id)
     limit p_limit)
    union all
    (select 'I11', 'is ready, and a runner that could take it is idle',
            array[s.invocation_id::text, s.queue, r.runner_id]
     from live r
     join queue q on q.app_id = r.app_id and not q.paused
                 and (r.queues = '{}' or r.queues && array[q.queue, '*'])
     cross join lateral (
         select s.* from invocation_state s
         where s.app_id = q.app_id and s.queue = q.queue and s.available and s.due_at is null
           and s.lane is null and s.status_at < v_then and s.rank < extract(epoch from v_then)
         order by s.rank, s.invocation_id limit p_limit) s
     where r.idle and r.idle_at < v_then and r.taken < r.concurrency
     limit p_limit);
end $$;

-- Gives out up to p_limit causes to be looked at, of the triggers that the caller has, for p_seconds:
-- whoever has not answered by then will not, and when the runner dies or leaves they come back at once. Answers them with all that is
-- known of what happened, those that go together as one. Locks: the causes (skip locked).
create or replace function {schema}.take_causes(
    p_app text, p_runner text, p_triggers text[], p_versions text[], p_limit integer,
    p_seconds double precision
) returns table (
    cause_id bigint, trigger_id text, attempts integer, condition_id text, at timestamptz,
    source_id uuid, status text, task_id text, arguments text, value text, reason text,
    code text, payload text, last_at timestamptz
) language plpgsql {definer} as $$
#variable_conflict use_column
declare
    v_now     timestamptz := clock_timestamp();
    v_taken   bigint[] := '{}';
    v_trigger text;
begin
    perform check_isolation();
    for v_trigger in
        select d.trigger_id from unnest(triggers_with_causes(p_app)) n (id)
        cross join lateral (
            select d.trigger_id, d.version from trigger_definition d
            where d.app_id = p_app and d.trigger_id = n.id and d.paused_at is null and d.removed_at is null
            offset 0) d
        where d.version = p_versions[array_position(p_triggers, d.trigger_id)]
        order by random()  -- the flood of one does not starve the others
    loop
        v_taken := v_taken || array(
            select c.cause_id from trigger_cause c
            where c.app_id = p_app and c.trigger_id = v_trigger and c.state = 'new' and c.due_at <= v_now
            order by c.due_at limit p_limit - cardinality(v_taken) for no key update skip locked);
        exit when cardinality(v_taken) >= p_limit;
    end loop;
    if v_taken = '{}' then
        return;
    end if;
    update trigger_cause c
    set attempts = c.attempts + 1, due_at = v_now + make_interval(secs => p_seconds), taken_by = p_runner
    where c.cause_id = any (v_taken);
    return query
    select l.cause_id, l.trigger_id, l.attempts, c.condition_id, c.at, c.source_id, c.status::text,
           i.task_id, i.arguments::text, o.value::text, o.reason, e.code, e.payload::text,
           c.last_at
    from unnest(v_taken) with ordinality t (id, n)
    cross join lateral (select * from trigger_cause l where l.cause_id = t.id offset 0) l
    cross join lateral unnest(l.cause_id || l.partners) m (id)
    cross join lateral (select * from trigger_cause c where c.cause_id = m.id offset 0) c
    left join lateral (select * from invocation i
                       where i.invocation_id = c.source_id and c.status is not null offset 0) i on true
    left join lateral (select * from invocation_outcome o
                       where o.invocation_id = c.source_id and o.status = c.status offset 0) o on true
    left join lateral (select * from event e
                       where e.event_id = c.source_id and c.status is null offset 0) e on e.app_id = p_app
    order by t.n, c.at, c.cause_id;
end $$;

-- Work with a concurrency key, first half of claim: locks lanes that have room and gives slots to
-- those whose turn it is. turns: where each candidate stands, see pick_by_turn. Internal; settle_slots
-- is the second half.
create or replace function {schema}.take_slots(
    p_app text, p_queues text[], p_limit integer, p_now timestamptz,
    out lanes bigint[], out candidates uuid[], out turns double precision[]
) language plpgsql as $$
declare
    v_picked uuid[];
    v_lanes  bigint[];
    v_turns  double precision[];
begin
    lanes := offer_lanes(p_app, p_queues, p_limit, p_now);
    candidates := '{}';
    turns := '{}';
    if lanes = '{}' then
        return;
    end if;
    -- A new statement, so a new snapshot: what the lanes hold now that they are ours.
    select p.ids, p.lanes, p.turns into v_picked, v_lanes, v_turns
    from pick_by_turn(p_queues, lanes, p_limit, p_now) p;
    if v_picked is null then
        return;
    end if;

    with mine as materialized (
        select c.*, row_number() over (partition by c.lane order by c.n) as nth
        from unnest(v_picked, v_lanes, v_turns) with ordinality c (id, lane, turn, n)
        cross join lateral (
            select from invocation_state s
            where s.invocation_id = c.id and s.available and not s.parked and s.due_at is null
            offset 0 for no key update skip locked) s
    ), free as materialized (
        -- After its slots were lowered a lane may hold numbers above them: those count, too.
        select m.lane, array(
            select g from generate_series(1, least(l.slots, m.wanted + (
                       select count(*) from slot x where x.lane = m.lane))::integer) g
            where g not in (select x.n from slot x where x.lane = m.lane)) as numbers
        from (select lane, count(*) as wanted from mine group by lane) m
        cross join lateral (select l.slots from lane l where l.lane_id = m.lane offset 0) l
    ), filled as (
        insert into slot (lane, n, invocation_id)
        select m.lane, f.numbers[m.nth], m.id from mine m join free f on f.lane = m.lane
    )
    select array_agg(m.id order by m.n), array_agg(m.turn order by m.n) into candidates, turns
    from mine m;
    candidates := coalesce(candidates, '{}');
    turns := coalesce(turns, '{}');
end $$;

-- Notes ticks of a schedule as causes, and where it stands then; answers whether it was the caller who did:
-- not if the schedule stood elsewhere than p_settled. Locks: the schedule.
create or replace function {schema}.tick(
    p_app text, p_trigger text, p_condition text, p_settled timestamptz, p_ticks timestamptz[],
    p_now_settled timestamptz, p_next_at timestamptz
) returns boolean language plpgsql {definer} as $$
declare
    v_last timestamptz;
begin
    perform check_isolation();
    select s.last_at into v_last from schedule s
    where s.app_id = p_app and s.trigger_id = p_trigger and s.condition_id = p_condition for no key update;
    update schedule s
    set settled = p_now_settled, next_at = p_next_at,
        last_at = coalesce(p_ticks[cardinality(p_ticks)], s.last_at)
    where s.app_id = p_app and s.trigger_id = p_trigger and s.condition_id = p_condition
      and s.settled = p_settled
      and exists (select from trigger_definition d where d.app_id = s.app_id
                  and d.trigger_id = s.trigger_id and d.paused_at is null);
    if not found then
        return false;
    end if;
    insert into trigger_cause (app_id, trigger_id, condition_id, at, last_at)
    select p_app, p_trigger, p_condition, t.at, coalesce(lag(t.at) over (order by t.at), v_last)
    from unnest(p_ticks) t (at) on conflict do nothing;
    if p_ticks <> '{}' then
        perform notify(p_app, 'cause');
    end if;
    return true;
end $$;

-- The triggers of an app, or one of them, with what stands behind each: for people. Counts stop at p_most: what
-- has fired or waits may be millions. What has fired is among the latest p_most that fired or were dropped; more says
-- whether there may be others before them. What triggers_of counts, it counts whole.
create or replace function {schema}.trigger_figures(p_app text, p_trigger text, p_most integer)
returns table (trigger_id text, task_id text, definition text, paused boolean, next_at timestamptz,
               due bigint, waiting bigint, parked bigint, fired bigint, more boolean,
               last_fired timestamptz)
language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    select d.trigger_id, d.task_id, d.definition::text, d.paused_at is not null, s.next_at,
           n.due, w.waiting, p.parked, r.fired, r.looked >= p_most, r.last_fired
    from trigger_definition d
    cross join lateral (
        select min(x.next_at) as next_at from schedule x
        where x.app_id = d.app_id and x.trigger_id = d.trigger_id) s
    cross join lateral (
        select count(*) as due from (
            select from trigger_cause c where c.app_id = d.app_id and c.trigger_id = d.trigger_id
            and c.state = 'new' limit p_most) c) n
    cross join lateral (
        select count(*) as waiting from (
            select from trigger_cause c where c.app_id = d.app_id and c.trigger_id = d.trigger_id
            and c.state = 'waiting' limit p_most) c) w
    cross join lateral (
        select count(*) as parked from (
            select from trigger_cause c where c.app_id = d.app_id and c.trigger_id = d.trigger_id
            and c.state = 'parked' limit p_most) c) p
    cross join lateral (
        -- A range and not =, so that only the index of the trigger gives the order: that of times has all triggers.
        select count(*) filter (where x.reason is null) as fired, count(*) as looked,
               max(x.fired_at) filter (where x.reason is null) as last_fired from (
            select t.fired_at, t.reason from trigger_run t
            where t.app_id = d.app_id and t.trigger_id between d.trigger_id and d.trigger_id
            order by t.trigger_id desc, t.fired_at desc, t.run_id desc limit p_most) x) r
    where d.app_id = p_app and d.removed_at is null and (p_trigger is null or d.trigger_id = p_trigger)
    order by d.trigger_id;
end $$;

-- The triggers of an app with what stands behind each, for people.
create or replace function {schema}.triggers_of(p_app text)
returns table (trigger_id text, task_id text, definition text, version text, paused boolean,
               next_at timestamptz, due bigint, waiting bigint, parked bigint, fired bigint,
               last_fired timestamptz)
language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    select v.trigger_id, v.task_id, v.definition::text, v.version, v.paused, v.next_at, v.due, v.waiting,
           v.parked, v.fired, v.last_fired
    from triggers v where v.app_id = p_app order by v.trigger_id;
end $$;

-- The triggers of an app that have causes to be looked at, now or later: a look into the index for each
-- of them, however many causes it has. Internal to take_causes and next_cause.
create or replace function {schema}.triggers_with_causes(p_app text) returns text[]
language plpgsql stable as $$
declare
    v_found text[] := '{}';
    v_next  text := '';
begin
    loop
        select c.trigger_id into v_next from trigger_cause c
        where c.app_id = p_app and c.state = 'new' and c.trigger_id > v_next
        order by c.trigger_id limit 1;
        if not found then
            return v_found;
        end if;
        v_found := v_found || v_next;
    end loop;
end $$;

-- Of invocations that have ended, by id, those that nothing needs any more, locked: nobody waits for them,
-- no trigger is about to look at them, no key stands for them nor do they serve equal calls; whoever called
-- them has ended, with all that they have called, and the runs that have them as a step are gone.
-- Internal to prune. Locks: the calls (skip locked: whoever holds one is about to need it).
create or replace function {schema}.unreferred(p_ids uuid[]) returns uuid[] language plpgsql as $$
declare
    v_ids constant uuid[] := idle_below(p_ids);
begin
    return array(
        select i.invocation_id from (select * from unnest(v_ids) u (id) order by u.id) u cross join lateral (
            select i.invocation_id from invocation i
            where i.invocation_id = u.id
              and not exists (select from wait_edge e where e.awaited_id = u.id offset 0)
              and not exists (select from trigger_cause c where c.source_id = u.id offset 0)
              and not exists (select from call_key k where k.invocation_id = u.id offset 0)
              and not exists (select from call_result r where r.invocation_id = u.id offset 0)
              and not exists (select from invocation_state s where s.invocation_id = i.parent_id offset 0)
              and not exists (select from workflow_step s where s.child_id = u.id offset 0)
              and not exists (select from workflow w
                              where w.workflow_id = u.id and w.workflow_id <> w.invocation_id offset 0)
            offset 0 for update skip locked) i);
end $$;

-- A runner says goodbye: what it still holds is released, its row and lock go.
create or replace function {schema}.unregister_runner(p_app text, p_runner text)
returns void language plpgsql {definer} as $$
declare
    v_serial integer;
    v_ids    uuid[];
    v_leases bigint[];
begin
    perform check_isolation();
    -- First: a claim of this runner that is under way ends before it is looked what the runner holds.
    perform from runner r where r.runner_id = p_runner and r.app_id = p_app for update;
    select array_agg(s.invocation_id), array_agg(s.lease) into v_ids, v_leases
    from invocation_state s where s.runner_id = p_runner and s.app_id = p_app;
    if v_ids is not null then
        perform release(p_app, p_runner, v_ids, v_leases);
    end if;
    perform return_causes(p_app, array[p_runner]);
    delete from runner r where r.runner_id = p_runner and r.app_id = p_app returning r.serial into v_serial;
    if found and exists (
        select from pg_locks l where l.locktype = 'advisory' and l.pid = pg_backend_pid()
        and l.classid = lock_space()::oid and l.objid = v_serial::oid and l.objsubid = 2
    ) then
        perform pg_advisory_unlock(lock_space(), v_serial);
    end if;
    perform notify(p_app, 'runner');
end $$;

-- A time as every client reads it, to the second. Internal to why.
create or replace function {schema}.utc_text(p_at timestamptz) returns text
language plpgsql immutable as $$
begin
    return to_char(p_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
end $$;

-- Waits for a place of those who claim much at once (see claim) as long as that line moves, for two
-- seconds at most. Whoever has the place may stand still: if it is the same transaction at two looks,
-- 0.1 s apart, the caller goes on without one, and its claim is as right, only dearer.
-- Internal. Locks: the place, to the end of the transaction.
create or replace function {schema}.wait_in_line(p_place integer) returns void language plpgsql
set lock_timeout = '100ms' as $$
declare
    v_before text;
    v_holder text;
begin
    for v_look in 1..20 loop
        begin
            perform pg_advisory_xact_lock(lock_space(), p_place);
            return;
        exception when lock_not_available then
            v_holder := (
                select l.virtualtransaction from pg_locks l
                where l.locktype = 'advisory' and l.classid = lock_space()::oid and l.granted
                  and l.objid = (p_place::bigint & 4294967295)::oid and l.objsubid = 2
                  and l.database = (select d.oid from pg_database d where d.datname = current_database()));
            if v_holder = v_before then
                return;
            end if;
            v_before := v_holder;
        end;
    end loop;
end $$;

-- Of each condition of a trigger up to p_limit causes, the oldest, which have met it and wait for others.
create or replace function {schema}.waiting_causes(p_app text, p_trigger text, p_limit integer)
returns table (cause_id bigint, condition_id text, at timestamptz) language plpgsql stable {definer} as $$
#variable_conflict use_column
declare
    v_next  text := '';
    v_found text[] := '{}';
begin
    loop
        select c.condition_id into v_next from trigger_cause c
        where c.app_id = p_app and c.trigger_id = p_trigger and c.state = 'waiting'
          and c.condition_id > v_next
        order by c.condition_id limit 1;
        exit when not found;
        v_found := v_found || v_next;
    end loop;
    return query
    select c.cause_id, c.condition_id, c.at
    from unnest(v_found) f (id)
    cross join lateral (
        select * from trigger_cause c
        where c.app_id = p_app and c.trigger_id = p_trigger and c.state = 'waiting' and c.condition_id = f.id
        order by c.at limit p_limit) c
    order by c.at, c.cause_id;
end $$;

-- What an invocation waits for, and who waits for it (waiter_id null: somebody outside): for people.
create or replace function {schema}.waits_of(p_app text, p_id uuid, p_limit integer)
returns table (awaited_id uuid, waiter_id uuid, task_id text, status text, since timestamptz)
language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    select e.awaited_id, e.waiter_id, i.task_id, s.status::text, e.created_at
    from ((select w.* from wait_edge w where w.waiter_id = p_id limit p_limit)
          union all
          (select w.* from wait_edge w where w.awaited_id = p_id limit p_limit)) e
    left join lateral (
        select c.task_id from invocation c
        where c.invocation_id = case when e.waiter_id = p_id then e.awaited_id else e.waiter_id end
        offset 0) i on true
    left join lateral (
        select c.status from invocation_state c
        where c.invocation_id = case when e.waiter_id = p_id then e.awaited_id else e.waiter_id end
        offset 0) s on true
    where e.app_id = p_app
    order by e.created_at;
end $$;

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

-- Asks for a notification on the channel p_listener when each of these ends; answers those that
-- are not live, so that the caller reads their outcomes now.
-- Locks: the hot rows by id, key share: an end waits for us, a claim does not.
create or replace function {schema}.watch(p_app text, p_ids uuid[], p_listener text)
returns uuid[] language plpgsql {definer} as $$
declare
    v_live uuid[];
begin
    perform check_isolation();
    perform from invocation_state s where s.invocation_id = any (p_ids)
    order by s.invocation_id for key share;
    -- A new statement: those that ended while we waited are gone from here.
    v_live := array(select s.invocation_id from invocation_state s
                    where s.invocation_id = any (p_ids) and s.app_id = p_app);
    insert into wait_edge (app_id, awaited_id, listener)
    select p_app, l.id, p_listener from unnest(v_live) l (id)
    on conflict (awaited_id, listener, (coalesce(waiter_id, '00000000-0000-0000-0000-000000000000'::uuid))) do nothing;
    return array(select i from unnest(p_ids) i where i <> all (v_live));
end $$;

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

-- Of a ready one, whether all places of the runners that serve its queue are taken, and how many come before
-- it, which is counted up to ten thousand (of what has another concurrency key nobody can say it). Internal to
-- why.
create or replace function {schema}.why_behind(p_state {schema}.invocation_state)
returns table (code text, facts json) language plpgsql stable as $$
#variable_conflict use_column
declare
    v_most  constant integer := 10000;
    v_ahead bigint;
begin
    return query
    select 'runners_busy', json_build_object('queue', p_state.queue, 'runners', count(*),
                                             'places', sum(r.concurrency), 'taken', sum(h.taken))
    from runner r cross join lateral (
        select count(*) as taken from invocation_state s
        where s.runner_id = r.runner_id and s.runner_id is not null and s.status <> 'paused') h
    where r.app_id = p_state.app_id and r.dead_at is null and r.lease_until >= clock_timestamp()
      and (r.queues = '{}' or r.queues && array[p_state.queue, '*'])
    having bool_and(h.taken >= r.concurrency);

    select count(*) into v_ahead from (
        (select from invocation_state s
         where s.app_id = p_state.app_id and s.queue = p_state.queue and s.available and s.due_at is null
           and s.lane is null and p_state.awaited is null
           and (s.rank, s.invocation_id) < (p_state.rank, p_state.invocation_id) limit v_most + 1)
        union all
        (select from invocation_state s
         where s.app_id = p_state.app_id and s.queue = p_state.queue and s.awaited is not null
           and s.available and s.due_at is null and s.invocation_id <> p_state.invocation_id
           and case when p_state.awaited is null
                    then s.lane is not null or (s.rank, s.invocation_id) > (p_state.rank, p_state.invocation_id)
                    else (-s.awaited, s.rank, s.invocation_id)
                         < (-p_state.awaited, p_state.rank, p_state.invocation_id) end
         limit v_most + 1)
        union all
        (select from invocation_state s
         where s.lane = p_state.lane and s.lane is not null and s.available and s.due_at is null
           and s.awaited is null and p_state.awaited is null
           and (s.rank, s.invocation_id) < (p_state.rank, p_state.invocation_id) limit v_most + 1)) a;
    if v_ahead > 0 then
        return query select 'behind', json_strip_nulls(json_build_object(
            'queue', p_state.queue, 'ahead', least(v_ahead, v_most),
            'more', case when v_ahead > v_most then 'more than' end));
    end if;
end $$;

-- What a runner does with an invocation that it holds, and whether it is believed alive. Internal to why.
create or replace function {schema}.why_held(p_state {schema}.invocation_state)
returns table (code text, facts json) language plpgsql stable as $$
#variable_conflict use_column
declare
    v_health text;
    v_since  timestamptz;
begin
    select case when r.dead_at is not null then 'declared dead'
                when r.lease_until < clock_timestamp() then 'its lease is over'
                when r.lock_gone_at is not null then 'its session is gone' end,
           coalesce(r.dead_at, case when r.lease_until < clock_timestamp() then r.lease_until end, r.lock_gone_at)
    into v_health, v_since from runner r where r.runner_id = p_state.runner_id;
    if not found then
        v_health := 'nobody knows it';
    end if;
    if v_health is not null then
        code := case when v_health = 'its session is gone' then 'runner_suspect' else 'runner_dead' end;
        facts := json_strip_nulls(json_build_object(
            'runner_id', p_state.runner_id, 'health', v_health, 'since', utc_text(v_since)));
        return next;
        if not exists (select from runner r where r.app_id = p_state.app_id and r.dead_at is null
                       and r.lease_until >= clock_timestamp() and r.runner_id <> p_state.runner_id) then
            code := 'nobody_recovers';
            facts := '{}';
            return next;
        end if;
    end if;
    if p_state.cancel_requested_at is not null then
        code := 'cancelling';
        facts := '{}';
        return next;
    end if;
    facts := json_build_object('runner_id', p_state.runner_id, 'since', utc_text(p_state.status_at));
    if p_state.status = 'paused' then
        code := 'waits_for_others';
        facts := (
            select json_build_object(
                'runner_id', p_state.runner_id, 'since', utc_text(p_state.status_at),
                'awaited', coalesce(json_agg(e.awaited_id order by e.edge_id), '[]'),
                'statuses', coalesce(json_agg(s.status order by e.edge_id), '[]'),
                'one_of', coalesce(bool_or(e.needed = 2), false))
            from (select * from wait_edge w
                  where w.waiter_id = p_state.invocation_id and w.needed > 0 order by w.edge_id limit 100) e
            left join lateral (select s.status from invocation_state s
                               where s.invocation_id = e.awaited_id offset 0) s on true);
    elsif p_state.status = 'pending' then
        code := 'claimed';
    else
        code := 'running';
    end if;
    return next;
end $$;

-- What its concurrency key has it wait for: a slot, and who holds them; a rate limit. Internal to why.
create or replace function {schema}.why_keyed(p_state {schema}.invocation_state)
returns table (code text, facts json) language plpgsql stable as $$
#variable_conflict use_column
begin
    return query
    select 'slot_taken', json_build_object('key', l.key, 'slots', l.slots, 'holders', h.holders)
    from lane l
    cross join lateral (
        select json_agg(x.invocation_id order by x.n) as holders, count(*) as taken
        from slot x where x.lane = l.lane_id) h
    where l.lane_id = p_state.lane and h.taken >= l.slots;
    return query
    select 'rate_limited', json_build_object('key', l.key, 'until', utc_text(l.next_at),
                                             'starts', l.rate, 'seconds', l.rate_period)
    from (select * from lane x where x.lane_id = p_state.lane offset 0) l
    where l.next_at > clock_timestamp();
end $$;

-- What keeps an invocation from being ready: nobody can take it, its time, an event, a pause. Internal to why.
create or replace function {schema}.why_later(p_state {schema}.invocation_state)
returns table (code text, facts json) language plpgsql stable as $$
#variable_conflict use_column
begin
    if p_state.due_at is null then
        return;
    end if;
    return query
    select 'set_aside', json_strip_nulls(json_build_object(
        'cause', a.cause, 'missing', nullif(a.missing, '{}'), 'unknown', nullif(a.unknown, '{}'),
        'refused_by', a.refused_by, 'since', utc_text(a.since)))
    from (select * from aside x where x.invocation_id = p_state.invocation_id offset 0) a where a.freed_at is null;
    if found then
        return;
    end if;
    return query
    select 'workflow_paused', json_strip_nulls(json_build_object(
        'reason', nullif(w.pause_reason, ''), 'since', utc_text(w.paused_at)))
    from workflow w where w.invocation_id = p_state.invocation_id and w.paused_at is not null;
    if p_state.reason = 'event' then
        return query
        select 'waits_for_event', json_strip_nulls(json_build_object(
            'events', coalesce(json_agg(w.code order by w.path), '[]'), 'until', utc_text(min(w.until))))
        from workflow_wait w where w.invocation_id = p_state.invocation_id;
    elsif p_state.due_at <= clock_timestamp() then
        return query select 'due', json_build_object('due_at', utc_text(p_state.due_at));
    elsif p_state.reason = 'sleeping' then
        return query select 'asleep', json_build_object('until', utc_text(p_state.due_at));
    elsif p_state.reason is distinct from 'paused' then
        return query select 'due_later', json_strip_nulls(json_build_object(
            'due_at', utc_text(p_state.due_at), 'reason', p_state.reason));
    end if;
end $$;

-- What stands between an invocation that nobody holds and its being taken. Internal to why.
create or replace function {schema}.why_not_taken(
    p_call {schema}.invocation, p_state {schema}.invocation_state
) returns table (code text, facts json) language plpgsql stable as $$
#variable_conflict use_column
declare
    v_said    boolean;
    v_expired constant boolean := coalesce(p_state.expires_at <= clock_timestamp(), false);
begin
    if v_expired then
        return query select 'expired', json_build_object('expires_at', utc_text(p_state.expires_at));
    end if;
    return query select * from why_later(p_state);
    v_said := found or v_expired;
    return query select * from why_untakable(p_call, p_state);
    v_said := v_said or found;
    if p_state.due_at is null then
        return query select * from why_keyed(p_state);
        v_said := v_said or found;
    end if;
    if not v_said then
        return query select * from why_behind(p_state);
        v_said := found;
    end if;
    if not v_said then
        return query select 'ready', json_build_object('queue', p_state.queue);
    end if;
    if p_state.expires_at is not null and not v_expired then
        return query select 'expires', json_build_object('expires_at', utc_text(p_state.expires_at));
    end if;
end $$;

-- A reason in words. What stands in brackets is left out where a fact of it is missing. The same as in
-- pynenc_pg/domain/why.py: a test compares them. Internal to why.
create or replace function {schema}.why_sentence(p_code text, p_facts json) returns text
language plpgsql immutable as $$
declare
    v_part text;
    v_fill text;
    v_lack boolean;
    v_said text := '';
begin
    for v_part in select m[1] from regexp_matches(why_template(p_code), '(\[[^]]*\]|[^[]+)', 'g') m loop
        select string_agg(m[1] || coalesce(v.text, ''), ''), bool_or(m[2] is not null and v.text is null)
        into v_fill, v_lack
        from regexp_matches(btrim(v_part, '[]'), '([^{]*)(?:\{([a-z_]+)\})?', 'g') m
        left join lateral (
            select case when json_typeof(p_facts->m[2]) = 'array'
                        then (select string_agg(e, ', ' order by n)
                              from json_array_elements_text(p_facts->m[2]) with ordinality x (e, n))
                        else p_facts->>m[2] end as text) v on true;
        if not (v_lack and v_part like '[%') then
            v_said := v_said || v_fill;
        end if;
    end loop;
    return v_said;
end $$;

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

-- Why no live runner would take it: its queue, its task, its arguments. Internal to why.
create or replace function {schema}.why_untakable(
    p_call {schema}.invocation, p_state {schema}.invocation_state
) returns table (code text, facts json) language plpgsql stable as $$
#variable_conflict use_column
declare
    v_names  constant text[] := array(
        select distinct k from json_object_keys(
            case json_typeof(p_call.arguments) when 'object' then p_call.arguments else '{}' end) k order by k);
    v_served boolean;
    v_known  boolean;
begin
    if exists (select from queue q where q.app_id = p_state.app_id and q.queue = p_state.queue and q.paused) then
        return query select 'queue_paused', json_build_object('queue', p_state.queue);
    end if;
    v_served := exists (
        select from runner r where r.app_id = p_state.app_id and r.dead_at is null
        and r.lease_until >= clock_timestamp() and (r.queues = '{}' or r.queues && array[p_state.queue, '*']));
    if not v_served then
        return query select 'queue_unserved', json_build_object('queue', p_state.queue);
    end if;
    if exists (select from (select * from aside x where x.invocation_id = p_state.invocation_id offset 0) a where a.freed_at is null)
       or is_able(p_state.app_id, p_call.task_id, p_state.queue, v_names, '{}') then
        return;
    end if;
    v_known := exists (
        select from runner_task k join runner r on r.runner_id = k.runner_id
        where k.app_id = p_state.app_id and k.task_id = p_call.task_id and r.dead_at is null
          and r.lease_until >= clock_timestamp());
    if not v_known then
        return query select 'task_unknown', json_build_object('task_id', p_call.task_id);
        return;
    end if;
    return query
    select case when m.missing = '{}' and m.unknown = '{}' then 'task_elsewhere' else 'other_arguments' end,
           json_strip_nulls(json_build_object(
               'task_id', p_call.task_id, 'queue', p_state.queue,
               'missing', nullif(m.missing, '{}'), 'unknown', nullif(m.unknown, '{}')))
    from (select t.parameters from runner_task k
          join runner r on r.runner_id = k.runner_id
          join task t on t.app_id = k.app_id and t.task_id = k.task_id and t.fingerprint = k.fingerprint
          where k.app_id = p_state.app_id and k.task_id = p_call.task_id and r.dead_at is null
            and r.lease_until >= clock_timestamp()
          order by r.serial desc limit 1) t
    cross join lateral misfit(t.parameters, v_names) m
    where v_served or m.missing <> '{}' or m.unknown <> '{}';  -- else it has been said
end $$;

-- Where the run of an invocation stands; no row if it is unknown.
create or replace function {schema}.workflow_info(p_app text, p_id uuid)
returns table (
    invocation_id uuid, task_id text, workflow_id uuid, parent_workflow_id uuid, began_at timestamptz,
    paused_at timestamptz, pause_reason text, forked_from uuid, steps integer
) language plpgsql stable {definer} as $$
begin
    return query
    select i.invocation_id, i.task_id, coalesce(i.workflow_id, i.invocation_id),
           (select coalesce(p.workflow_id, p.invocation_id) from invocation p
            where p.invocation_id = (select r.parent_id from invocation r
                                     where r.invocation_id = coalesce(i.workflow_id, i.invocation_id))),
           w.began_at, w.paused_at, w.pause_reason, w.forked_from,
           (select count(*)::integer from workflow_step s where s.invocation_id = p_id)
    from invocation i left join workflow w on w.invocation_id = i.invocation_id
    where i.invocation_id = p_id and i.app_id = p_app;
end $$;

-- The runs of an app's workflows, the latest first, those before p_before: of one task, and the live ones alone,
-- if that is asked. One after the other, so that no more are looked at than are answered. After p_patience it
-- stops: then a last row, with looked_to alone, says from where to go on.
create or replace function {schema}.workflow_runs(
    p_app text, p_task text, p_live boolean, p_limit integer, p_before uuid default null,
    p_patience interval default null
) returns table (
    invocation_id uuid, task_id text, status text, reason text, workflow_id uuid,
    parent_workflow_id uuid, began_at timestamptz, paused_at timestamptz, pause_reason text,
    wakes_at timestamptz, awaits_event text, forked_from uuid, steps bigint, looked_to uuid
) language plpgsql stable {definer} set enable_sort = off as $$
#variable_conflict use_column
declare
    v_until constant timestamptz := clock_timestamp() + p_patience;
    v_left  integer := p_limit;
    v_last  uuid;
    v_id    uuid;
begin
    for v_id in select w.invocation_id from workflow w
                where w.app_id = p_app
                  and w.invocation_id < coalesce(p_before, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
                order by w.invocation_id desc
    loop
        exit when v_left <= 0;
        if clock_timestamp() > v_until and v_last is not null then
            looked_to := v_last;
            return next;
            exit;
        end if;
        v_last := v_id;
        continue when p_live and not exists (
            select from invocation_state s where s.invocation_id = v_id);
        continue when p_task is not null and not exists (
            select from invocation i where i.invocation_id = v_id and i.task_id = p_task);
        return query
        select v.invocation_id, v.task_id, v.status::text, v.reason, v.workflow_id, v.parent_workflow_id,
               v.began_at, v.paused_at, v.pause_reason, v.wakes_at, v.awaits_event, v.forked_from, v.steps,
               null::uuid
        from workflows v
        where v.invocation_id = v_id;
        v_left := v_left - found::integer;
    end loop;
end $$;

-- All that stands written of a run, in the order in which it was.
create or replace function {schema}.workflow_steps(p_app text, p_id uuid)
returns table (
    path text, run integer, kind text, about text, value text, at timestamptz, retries integer,
    survived text[], key text, event_id uuid, child_id uuid, failed boolean, left_seconds double precision
) language plpgsql stable {definer} as $$
begin
    return query
    select s.* from step_as_read(p_id) s
    where exists (select from invocation i where i.invocation_id = p_id and i.app_id = p_app);
end $$;

-- An invocation and all that was called below it, in the order of the calls: for people. step: the path at
-- which a workflow has called it, if one has; workflow_id shows where another one begins.
create or replace function {schema}.workflow_tree(id uuid)
returns table (
    invocation_id uuid, parent_id uuid, level integer, task_id text, status text, step text, run integer,
    workflow_id uuid, registered_at timestamptz
) language plpgsql stable {definer} as $$
#variable_conflict use_column
begin
    return query
    with recursive below as (
        select i.*, 0 as level, array[i.invocation_id] as way from invocation i
        where i.invocation_id = workflow_tree.id
        union all
        select c.*, b.level + 1, b.way || c.invocation_id
        from below b
        cross join lateral (select c.* from invocation c where c.parent_id = b.invocation_id offset 0) c
    )
    select b.invocation_id, b.parent_id, b.level, b.task_id,
           coalesce((select o.status from invocation_outcome o where o.invocation_id = b.invocation_id),
                    (select s.status from invocation_state s where s.invocation_id = b.invocation_id))::text,
           t.path, t.run, coalesce(b.workflow_id, b.invocation_id), b.registered_at
    from below b
    left join lateral (
        select w.path, w.run
        from (select w.path, w.run, w.child_id from workflow_step w
              where w.invocation_id = b.parent_id offset 0) w
        where w.child_id = b.invocation_id limit 1) t on true
    order by b.way;
end $$;

-- The data of a workflow, by key.
create or replace function {schema}.workflow_values(p_app text, p_workflow uuid)
returns table (key text, value text) language plpgsql stable {definer} as $$
begin
    return query
    select d.key, d.value::text from workflow_data d
    where d.workflow_id = p_workflow and d.app_id = p_app order by d.key;
end $$;

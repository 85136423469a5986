import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.common.utils.Bytes;

/** The book's job in both forms: identities once, bilateral totals, an answer a batch. */
final class Book implements Processor<byte[], byte[], byte[], byte[]> {
    static final String IDENTITIES = "identities";
    static final String TOTALS = "totals";
    /** Sequences in one row of bits. */
    private static final int PAGE = 512;

    private final boolean best;
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<Bytes, byte[]> identities;
    private KeyValueStore<Bytes, byte[]> totals;

    Book(boolean best) {
        this.best = best;
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
        this.context = context;
        identities = context.getStateStore(IDENTITIES);
        totals = context.getStateStore(TOTALS);
    }

    @Override
    public void process(Record<byte[], byte[]> message) {
        Batch batch = Batch.read(message.value());
        if (batch == null) {
            return;
        }
        Map<String, long[]> added = new HashMap<>();
        if (best) {
            byBits(batch, added);
        } else {
            byKeys(batch, added);
        }
        added.forEach(this::add);
        byte[] city = batch.acquirer.getBytes(java.nio.charset.StandardCharsets.US_ASCII);
        context.forward(new Record<>(city, batch.result(), message.timestamp()));
    }

    /** A row an identity, its content beside it. */
    private void byKeys(Batch batch, Map<String, long[]> added) {
        for (Batch.Part part : batch.parts) {
            for (int tap = 0; tap < part.size(); tap++) {
                if (!part.accepted(tap)) {
                    continue;
                }
                Bytes key = key(part.terminal(tap), part.sequence(tap));
                if (identities.get(key) == null) {
                    identities.put(key, ByteBuffer.allocate(8).putLong(part.content(tap)).array());
                    count(batch, part, tap, added);
                }
            }
        }
    }

    /** A row of bits for each terminal and 512 sequences, read and written once a batch. */
    private void byBits(Batch batch, Map<String, long[]> added) {
        Map<Bytes, byte[]> pages = new HashMap<>(4096);
        for (Batch.Part part : batch.parts) {
            for (int tap = 0; tap < part.size(); tap++) {
                if (!part.accepted(tap)) {
                    continue;
                }
                int sequence = part.sequence(tap);
                Bytes key = key(part.terminal(tap), Integer.divideUnsigned(sequence, PAGE));
                byte[] page = pages.computeIfAbsent(key, this::page);
                int bit = Integer.remainderUnsigned(sequence, PAGE);
                if ((page[bit >> 3] & 1 << (bit & 7)) == 0) {
                    page[bit >> 3] |= (byte) (1 << (bit & 7));
                    count(batch, part, tap, added);
                }
            }
        }
        pages.forEach(identities::put);
    }

    private byte[] page(Bytes key) {
        byte[] page = identities.get(key);
        return page == null ? new byte[PAGE / 8] : page.clone();
    }

    private static Bytes key(long terminal, int low) {
        return Bytes.wrap(ByteBuffer.allocate(10).putShort((short) (terminal >>> 32)).putInt((int) terminal)
            .putInt(low).array());
    }

    private static void count(Batch batch, Batch.Part part, int tap, Map<String, long[]> added) {
        String line = part.sector(tap) == 1 ? "0" : "1";
        long[] tally = added.computeIfAbsent(batch.acquirer + part.issuer() + line, k -> new long[2]);
        tally[0]++;
        tally[1] += part.amount(tap);
    }

    private void add(String pair, long[] tally) {
        Bytes key = Bytes.wrap(pair.getBytes(java.nio.charset.StandardCharsets.US_ASCII));
        byte[] before = totals.get(key);
        ByteBuffer sum = ByteBuffer.allocate(16);
        if (before != null) {
            ByteBuffer old = ByteBuffer.wrap(before);
            tally[0] += old.getLong();
            tally[1] += old.getLong();
        }
        totals.put(key, sum.putLong(tally[0]).putLong(tally[1]).array());
    }
}

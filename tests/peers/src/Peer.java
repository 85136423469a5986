import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.UUID;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.common.utils.Bytes;

/**
 * The book's job on Kafka Streams, exactly_once_v2, over outcomes that stand on a topic already.
 *
 * <p>{@code Peer BOOTSTRAP TOPIC ordinary|best WARM_UP TAPS FOLDER}: folds WARM_UP taps, then TAPS more, and
 * prints how many of the latter became committed answers a second.
 */
public final class Peer {
    private static final int PARTITIONS = 2;
    private static final Duration WAIT = Duration.ofMinutes(5);

    public static void main(String[] args) throws Exception {
        if (args.length != 6) {
            System.err.println("usage: Peer BOOTSTRAP TOPIC ordinary|best WARM_UP TAPS FOLDER");
            System.exit(2);
        }
        String bootstrap = args[0];
        boolean best = args[2].equals("best");
        String id = "peer-" + UUID.randomUUID();
        String answers = id + "-answers";
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            admin.createTopics(List.of(new NewTopic(answers, Optional.of(PARTITIONS), Optional.empty()))).all().get();
            KafkaStreams streams =
                new KafkaStreams(topology(args[1], answers, best), settings(bootstrap, id, best, args[5]));
            streams.setUncaughtExceptionHandler(error -> {
                error.printStackTrace();
                System.exit(1);
                return null;
            });
            streams.start();
            long perSecond = measure(bootstrap, answers, Long.parseLong(args[3]), Long.parseLong(args[4]));
            streams.close(Duration.ofSeconds(30));
            System.out.println(perSecond);
        }
    }

    private static Topology topology(String taps, String answers, boolean best) {
        Serializer<byte[]> bytes = Serdes.ByteArray().serializer();
        Topology topology = new Topology();
        topology.addSource("taps", Serdes.ByteArray().deserializer(), Serdes.ByteArray().deserializer(), taps);
        topology.addProcessor("book", () -> new Book(best), "taps");
        topology.addStateStore(store(Book.IDENTITIES), "book");
        topology.addStateStore(store(Book.TOTALS), "book");
        topology.addSink("answers", answers, bytes, bytes, "book");
        return topology;
    }

    private static StoreBuilder<KeyValueStore<Bytes, byte[]>> store(String name) {
        return Stores.keyValueStoreBuilder(
            Stores.persistentKeyValueStore(name), Serdes.Bytes(), Serdes.ByteArray()).withCachingEnabled();
    }

    private static Properties settings(String bootstrap, String id, boolean best, String folder) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, id);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, folder);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, PARTITIONS);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 256L << 20);
        if (best) {
            settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        }
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 4 << 20);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 1_000_000);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 5);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 128L << 20);
        return settings;
    }

    /** Reads committed answers; the clock runs from the one that ends the warm-up to the last. */
    private static long measure(String bootstrap, String answers, long warmUp, long taps) {
        Map<String, Object> settings = Map.of(
            "bootstrap.servers", bootstrap,
            "isolation.level", "read_committed",
            "auto.offset.reset", "earliest",
            "enable.auto.commit", "false",
            "fetch.max.wait.ms", "20");
        try (var reader = new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            reader.assign(List.of(new TopicPartition(answers, 0), new TopicPartition(answers, 1)));
            long seen = 0;
            long seenAtStart = 0;
            long started = 0;
            long deadline = System.nanoTime() + WAIT.toNanos();
            while (seen < warmUp + taps) {
                for (ConsumerRecord<byte[], byte[]> answer : reader.poll(Duration.ofMillis(20))) {
                    seen += records(answer.value());
                }
                long now = System.nanoTime();
                if (started == 0 && seen >= warmUp) {
                    started = now;
                    seenAtStart = seen;
                }
                if (now > deadline) {
                    throw new IllegalStateException("only " + seen + " taps within " + WAIT);
                }
            }
            double seconds = (System.nanoTime() - started) / 1e9;
            return Math.round((seen - seenAtStart) / seconds);
        }
    }

    /** Field 4 of a BatchResult. */
    private static long records(byte[] answer) {
        int at = 2 + answer[1] + 1;
        while (answer[at++] < 0) { }
        at += 2 + answer[at + 1] + 1;
        long value = 0;
        for (int shift = 0; ; shift += 7) {
            byte next = answer[at++];
            value |= (long) (next & 0x7F) << shift;
            if (next >= 0) {
                return value;
            }
        }
    }
}

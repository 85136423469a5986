import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.Security;
import java.security.cert.CertPathValidator;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.time.Instant;
import java.util.Arrays;
import java.util.Collection;
import java.util.Date;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSProcessableFile;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.util.Store;

/** Checks detached signatures with Bouncy Castle alone: digest, signature, and the certificate's way to a CA. */
public final class Reader {
    private static final String SUFFIX = ".p7s";

    public static void main(String[] args) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        Set<TrustAnchor> anchors = anchors(Path.of(args[0]));
        Date at = Date.from(Instant.parse(args[1]));
        for (String name : Arrays.copyOfRange(args, 2, args.length)) {
            try {
                System.out.println(name + ": signed by " + signer(name, anchors, at));
            } catch (Exception refused) {
                System.err.println(name + ": " + refused);
                System.exit(1);
            }
        }
    }

    private static Set<TrustAnchor> anchors(Path file) throws Exception {
        Set<TrustAnchor> anchors = new HashSet<>();
        try (InputStream pem = Files.newInputStream(file)) {
            for (Certificate found : CertificateFactory.getInstance("X.509", "BC").generateCertificates(pem)) {
                anchors.add(new TrustAnchor((X509Certificate) found, null));
            }
        }
        return anchors;
    }

    /** Whose signature it is, with its algorithms. */
    private static String signer(String name, Set<TrustAnchor> anchors, Date at) throws Exception {
        File content = new File(name.substring(0, name.length() - SUFFIX.length()));
        CMSSignedData signed = new CMSSignedData(new CMSProcessableFile(content), Files.readAllBytes(Path.of(name)));
        Collection<SignerInformation> signers = signed.getSignerInfos().getSigners();
        if (signers.size() != 1) {
            throw new IOException("it has " + signers.size() + " signers");
        }
        SignerInformation signer = signers.iterator().next();
        Store<X509CertificateHolder> inside = signed.getCertificates();
        @SuppressWarnings("unchecked")
        Collection<X509CertificateHolder> own = inside.getMatches(signer.getSID());
        X509Certificate certificate =
                new JcaX509CertificateConverter().setProvider("BC").getCertificate(own.iterator().next());
        if (!signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(certificate))) {
            throw new IOException("it was not made with the key of its certificate");
        }
        PKIXParameters path = new PKIXParameters(anchors);
        path.setRevocationEnabled(false);
        path.setDate(at);
        CertificateFactory factory = CertificateFactory.getInstance("X.509", "BC");
        CertPathValidator.getInstance("PKIX", "BC").validate(factory.generateCertPath(List.of(certificate)), path);
        String how = signer.getDigestAlgOID() + " " + signer.getEncryptionAlgOID();
        return certificate.getSubjectX500Principal().getName() + " with " + how;
    }
}
